// Error of one class, from its softmax p = power / sum, by a division of seven steps.
//
//     error = 127 * (1 if the class is the label, else 0) - 127 * p, rounded to nearest
module errors (
    input  wire              clk,
    input  wire              reset,
    input  wire              go,
    input  wire              is_label,
    input  wire [31:0]       power,   // no larger than `sum`
    input  wire [31:0]       sum,
    output reg               busy,
    output wire signed [7:0] error    // when not busy any more
);
    reg [40:0] rest;      // 2 * 127 * power + sum, less what was found
    reg [40:0] divisor;   // 2 * sum, shifted
    reg [6:0]  quotient;
    reg [2:0]  bit_;
    wire fits = rest >= divisor;
    assign error = (is_label ? 8'sd127 : 8'sd0) - $signed({1'b0, quotient});

    always @(posedge clk)
        if (reset) busy <= 0;
        else if (!busy && go) begin
            busy <= 1;
            rest <= (41'(power) << 8) - (41'(power) << 1) + 41'(sum);
            divisor <= 41'(sum) << 7;
            quotient <= 0;
            bit_ <= 6;
        end else if (busy) begin
            if (fits) rest <= rest - divisor;
            quotient[bit_] <= fits;
            divisor <= divisor >> 1;
            bit_ <= bit_ - 3'd1;
            if (bit_ == 0) busy <= 0;
        end
endmodule
