// Low-rank perturbation of the weights of a layer (EGGROLL): bits, current, increment of a direction.
//
//     DRAW        the bits A and B of a pair, from (stream, layer, pair, generation; seed)
//     SPIKE       the perturbation's current grows by what a spike of `source` adds (relay.v)
//     ACCUMULATE  increment = coefficient * (A B^T)[source, lane], for the pair drawn last
//
// The core owns the generator; `block_index` and `stream` say which block DRAW needs next.
module low_rank #(
    parameter SOURCES = 1,
    parameter NEURONS = 1,
    parameter COUNT_BITS = 1,
    parameter RANK = 1,
    parameter signed [31:0] SCALE = 0,
    parameter ROW_BLOCKS = 1,     // blocks between two ranks of B
    parameter SUM_BITS = 32
) (
    input  wire                       clk,
    input  wire                       active,
    input  wire [3:0]                 op,
    input  wire [COUNT_BITS-1:0]      source,
    input  wire [COUNT_BITS-1:0]      lane,
    input  wire                       last_lane,
    input  wire                       take,         // DRAW: `block` is the one that was asked for
    input  wire [127:0]               block,
    input  wire signed [7:0]          coefficient,
    output wire [15:0]                stream,
    output wire [31:0]                block_index,
    output wire                       drawn,        // ... and DRAW is done
    output wire signed [31:0]         noise,        // current of the pair's +E to neuron `lane`
    output wire signed [SUM_BITS-1:0] increment
);
    `include "ops.vh"
    localparam [15:0] OUTPUT_FACTOR = 0, INPUT_FACTOR = 1;  // streams
    localparam A_BLOCKS = (NEURONS + 127) / 128;
    localparam B_BLOCKS = (SOURCES + 127) / 128;
    localparam MOST = A_BLOCKS > B_BLOCKS ? A_BLOCKS : B_BLOCKS;
    localparam PLACE_BITS = $clog2(MOST + 1);

    // --- which block is drawn ----------------------------------------------------------------------
    reg                  of_sources;  // A comes first, then B
    reg [7:0]            component;   // which rank
    reg [PLACE_BITS-1:0] place;       // which block of it
    reg [31:0]           base;        // first block of this rank
    wire last_place = place == PLACE_BITS'(of_sources ? B_BLOCKS - 1 : A_BLOCKS - 1);
    wire last_component = component == 8'(RANK - 1);
    assign stream = of_sources ? INPUT_FACTOR : OUTPUT_FACTOR;
    assign block_index = base + 32'(place);
    assign drawn = of_sources && last_place && last_component;

    always @(posedge clk)
        if (!active) begin
            of_sources <= 0;
            component <= 0;
            place <= 0;
            base <= 0;
        end else if (take) begin
            if (!last_place) place <= place + 1'd1;
            else begin
                place <= 0;
                base <= base + (of_sources ? ROW_BLOCKS : A_BLOCKS);
                component <= component + 8'd1;
                if (last_component) begin
                    base <= 0;
                    component <= 0;
                    of_sources <= 1;
                end
            end
        end

    // --- current and increment: sums over the ranks -------------------------------------------------
    wire signed [32*RANK-1:0] current;
    wire [RANK-1:0]           positive;
    genvar r;
    generate
        for (r = 0; r < RANK; r = r + 1) begin : rank
            wire write = take && component == r;
            relay #(SOURCES, NEURONS, SCALE, COUNT_BITS, COUNT_BITS, PLACE_BITS) relay (
                .clk(clk),
                .write_a(write && !of_sources),
                .write_b(write && of_sources),
                .place(place),
                .block(block),
                .clear(active && (op == CLEAR || op == STEP) && last_lane),
                .arrive(active && op == SPIKE && last_lane),
                .source(source),
                .lane(lane),
                .current(current[32*r +: 32]),
                .positive(positive[r])
            );
        end
    endgenerate

    function signed [31:0] sum_of(input [32*RANK-1:0] currents);
        integer i;
        begin
            sum_of = 0;
            for (i = 0; i < RANK; i = i + 1) sum_of = sum_of + currents[32*i +: 32];
        end
    endfunction
    function signed [SUM_BITS-1:0] increment_of(input [RANK-1:0] signs, input signed [7:0] factor);
        integer i;
        begin
            increment_of = 0;
            for (i = 0; i < RANK; i = i + 1)
                increment_of = signs[i] ? increment_of + SUM_BITS'(factor)
                                        : increment_of - SUM_BITS'(factor);
        end
    endfunction
    assign noise = sum_of(current);
    assign increment = increment_of(positive, coefficient);
endmodule
