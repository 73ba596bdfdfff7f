// Decay of a 24-bit register, towards zero:   kept = sign(x) * ((|x| * (4096 - D)) >> 12)
module decay #(
    parameter [12:0] D = 0  // 0..4096
) (
    input  wire signed [23:0] x,  // within ±(2^23 - 1)
    output wire signed [23:0] kept
);
    wire [22:0] size = x[23] ? 23'(-x) : x[22:0];
    wire [35:0] product;
    multiply #(23, 13) scaled (.a(size), .b(13'd4096 - D), .product(product));
    wire [23:0] shrunk = product[35:12];
    assign kept = x[23] ? -shrunk : shrunk;
    wire unused = &{1'b0, product[11:0]};
endmodule
