// Log-softmax of the classes' scores by table and shift, one class a clock; and the softmax of one class.
//
//     z_c   = (score_c * MULTIPLIER) >> SHIFT         base-2 logit, 10 fraction bits
//     value = z_label - log2(sum_c 2^z_c)
//     power = 2^(z_asked - max z), 16 fraction bits   once `busy` is 0 again; its softmax is power / sum
module readout #(
    parameter CLASSES = 2,
    parameter [31:0] MULTIPLIER = 1,
    parameter SHIFT = 0
) (
    input  wire               clk,
    input  wire               reset,
    input  wire               go,
    input  wire [15:0]        label,
    input  wire [15:0]        asked,
    output wire [15:0]        lane,   // whose score is needed now
    input  wire signed [31:0] score,
    output reg                busy,
    output wire signed [63:0] value,  // when not busy any more
    output wire [31:0]        power,
    output reg  [31:0]        sum
);
    reg [16:0] powers [0:1023];  // 2^(-i / 1024), 16 fraction bits
    reg [ 9:0] logs   [0:1023];  // log2(1 + i / 1024), 10 fraction bits
    initial begin
        $readmemh("powers.mem", powers);
        $readmemh("logs.mem", logs);
    end

    reg                adding;  // first the largest logit is found, then the sum is made
    reg [15:0]         which;
    reg signed [63:0]  top, mine;
    assign lane = busy ? which : asked;

    wire [31:0] size = score[31] ? -score : score;
    wire [63:0] product;
    multiply #(32, 32) scaled (.a(size), .b(MULTIPLIER), .product(product));
    wire signed [63:0] exact = score[31] ? -product : product;
    wire signed [63:0] logit = exact >>> SHIFT;
    wire [63:0] below = top - logit;
    assign power = below >> 10 > 16 ? 32'd0 : 32'(powers[below[9:0]]) >> below[14:10];

    function [4:0] highest(input [31:0] x);  // number of the highest bit that is set
        integer i;
        begin
            highest = 0;
            for (i = 1; i < 32; i = i + 1) if (x[i]) highest = i[4:0];
        end
    endfunction
    wire [4:0]  whole = highest(sum);  // 16 or more: the largest logit alone adds 2^16
    wire [31:0] mantissa = (sum ^ (32'd1 << whole)) >> (whole - 10);
    wire signed [63:0] log_sum = 64'({whole, logs[mantissa[9:0]]});
    assign value = mine - top - (log_sum - (16 << 10));

    wire last = which == 16'(CLASSES - 1);
    always @(posedge clk)
        if (reset) busy <= 0;
        else if (!busy) begin
            busy <= go;
            adding <= 0;
            which <= 0;
        end else begin
            if (!adding) begin
                if (which == 0 || logit > top) top <= logit;
                if (which == label) mine <= logit;
            end else sum <= (which == 0 ? 32'd0 : sum) + power;
            which <= last ? 16'd0 : which + 16'd1;
            if (last) adding <= 1;
            if (last && adding) busy <= 0;
        end
    wire unused = &{1'b0, mantissa[31:10]};
endmodule
