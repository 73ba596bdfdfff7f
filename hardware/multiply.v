// Unsigned multiplier. Every multiplier of the design is an instance of this module, so that they can be counted.
module multiply #(
    parameter A = 8,
    parameter B = 8
) (
    input  wire [  A-1:0] a,
    input  wire [  B-1:0] b,
    output wire [A+B-1:0] product
);
    assign product = {{B{1'b0}}, a} * {{A{1'b0}}, b};
endmodule
