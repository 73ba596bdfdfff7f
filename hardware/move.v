// Update of one synapse or bias. Combinational.
//
//     state' = state + ((direction * rate + random * 2^16) >> 32), no further than low .. high
//
// The 16 random bits round the step up or down so that its expectation is exact.
module move #(
    parameter STATE_BITS = 16,
    parameter SUM_BITS = 32,
    parameter RATE_BITS = 48
) (
    input  wire signed [STATE_BITS-1:0] state,
    input  wire signed [SUM_BITS-1:0]   direction,
    input  wire [RATE_BITS-1:0]         rate,       // 32 fraction bits
    input  wire [15:0]                  random,
    input  wire signed [STATE_BITS-1:0] low, high,
    output wire signed [STATE_BITS-1:0] next
);
    localparam BITS = SUM_BITS + RATE_BITS + 2;

    wire [SUM_BITS-1:0] size = direction[SUM_BITS-1] ? -direction : direction;
    wire [SUM_BITS+RATE_BITS-1:0] product;
    multiply #(SUM_BITS, RATE_BITS) step (.a(size), .b(rate), .product(product));

    wire signed [BITS-1:0] magnitude = $signed({2'b0, product});
    wire signed [BITS-1:0] exact =
        (direction[SUM_BITS-1] ? -magnitude : magnitude) + BITS'($signed({1'b0, random, 16'b0}));
    wire signed [BITS-1:0] moved = (exact >>> 32) + BITS'(state);
    assign next = moved > BITS'(high) ? high : moved < BITS'(low) ? low : moved[STATE_BITS-1:0];
endmodule
