// Product of two signed numbers, from the unsigned product of their sizes.
module signed_multiply #(
    parameter A = 8,
    parameter B = 8
) (
    input  wire signed [  A-1:0] a,
    input  wire signed [  B-1:0] b,
    output wire signed [A+B-1:0] product
);
    wire [A+B-1:0] size;
    multiply #(A, B) sizes (.a(a[A-1] ? -a : a), .b(b[B-1] ? -b : b), .product(size));
    assign product = a[A-1] == b[B-1] ? size : -size;
endmodule
