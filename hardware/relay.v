// One rank of a low-rank perturbation: the current that it makes of the arriving spikes.
//
//     drive  = SCALE * (sum of B_j over the spikes that arrived in this step)     B_j = ±1, one bit
//     current to neuron k = A_k * drive                                           A_k = ±1, one bit
//
// E = A B^T is never laid out, and nothing is multiplied: A_k and B_j are signs.
module relay #(
    parameter SOURCES = 1,
    parameter NEURONS = 1,
    parameter signed [31:0] SCALE = 0,  // what noise 1 adds to u
    parameter SOURCE_BITS = 1,
    parameter LANE_BITS = 1,
    parameter PLACE_BITS = 1
) (
    input  wire                   clk,
    input  wire                   write_a,   // take `block` as bits 128 place .. of A, or of B
    input  wire                   write_b,
    input  wire [PLACE_BITS-1:0]  place,
    input  wire [127:0]           block,
    input  wire                   clear,     // a step is over
    input  wire                   arrive,    // a spike of `source` arrives
    input  wire [SOURCE_BITS-1:0] source,
    input  wire [LANE_BITS-1:0]   lane,
    output wire signed [31:0]     current,   // to neuron `lane`
    output wire                   positive   // A_lane B_source is +1, not -1
);
    reg signed [31:0] drive;

    wire a_bit, b_bit;
    bits #(NEURONS, LANE_BITS, PLACE_BITS) a (
        .clk(clk), .write(write_a), .place(place), .block(block), .number(lane), .value(a_bit)
    );
    bits #(SOURCES, SOURCE_BITS, PLACE_BITS) b (
        .clk(clk), .write(write_b), .place(place), .block(block), .number(source), .value(b_bit)
    );
    assign current  = a_bit ? drive : -drive;
    assign positive = a_bit == b_bit;

    always @(posedge clk)
        if (clear) drive <= 0;
        else if (arrive) drive <= b_bit ? drive + SCALE : drive - SCALE;
endmodule
