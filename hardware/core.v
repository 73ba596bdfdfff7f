// What does one core do? A layer of neurons and all synapses to them, one synapse or neuron a clock.
//
//     CLEAR  u, v and sums become 0: a sample begins
//     SPIKE  a spike of `axon` arrives: its row of weights is added to the sums
//     STEP   all neurons are updated and the sums become 0; `spikes` tells who spiked
//
// and what `learning.v` lists. `go` starts `command`; `busy` is 1 until it is done. Without LEARNING the
// core holds 8-bit weights and nothing of the rest.
module core #(
    parameter LEARNING = 1,
    parameter [7:0] LAYER = 0,
    parameter SOURCES = 1,
    parameter NEURONS = 1,
    parameter DU = 4095,
    parameter DV = 0,
    parameter VTH_MANT = 0,
    parameter BIAS_EXP = 0,
    parameter SHIFT = 7,           // one unit of a weight adds 2^SHIFT to u
    parameter WEIGHT_BITS = 8,
    parameter FRACTION_BITS = 8,   // what a synapse keeps below its weight
    parameter RANK = 1,
    parameter SCALE = 0,
    parameter ROW_BLOCKS = 1,
    parameter ROUNDING_BLOCKS = 1,
    parameter MOMENTUM_BITS = 0,
    parameter SUM_BITS = 32,
    parameter RATE_BITS = 48,
    parameter [63:0] SEED = 0
) (
    input  wire                 clk,
    input  wire                 reset,
    input  wire                 go,
    input  wire [2:0]           command,
    input  wire [31:0]          axon,
    input  wire                 noisy,        // STEP: add the perturbation of the pair drawn last
    input  wire                 minus,        // ... with its sign turned: the pair's other member
    input  wire [31:0]          pair,
    input  wire [31:0]          generation,
    input  wire signed [7:0]    coefficient,
    input  wire [RATE_BITS-1:0] rate,
    output reg                  busy,
    output reg  [NEURONS-1:0]   spikes,
    output wire                 updated,      // a clock of STEP: neuron `updated_lane` becomes ...
    output wire [15:0]          updated_lane,
    output wire signed [23:0]   updated_v,
    output wire                 updated_spike,
    output wire [63:0]          total
);
    `include "ops.vh"
    localparam SOURCE_BITS = $clog2(SOURCES + 1);
    localparam LANE_BITS = NEURONS > 8 ? $clog2(NEURONS) : 3;
    localparam STATE_BITS = LEARNING ? WEIGHT_BITS + FRACTION_BITS : WEIGHT_BITS;
    localparam KEPT = LEARNING ? FRACTION_BITS : 0;
    localparam signed [31:0] HALF = (1 << KEPT) >> 1;
    localparam INPUT_BITS = WEIGHT_BITS + $clog2(SOURCES + 1);

    reg [2:0]                    op;
    reg [SOURCE_BITS-1:0]        source;
    reg [LANE_BITS-1:0]          lane;
    reg [NEURONS*STATE_BITS-1:0] synapses [0:SOURCES-1];
    reg signed [12:0]            biases   [0:NEURONS-1];
    reg signed [INPUT_BITS-1:0]  sums     [0:NEURONS-1];
    reg signed [23:0]            u        [0:NEURONS-1];
    reg signed [23:0]            v        [0:NEURONS-1];

    initial begin
        if (LEARNING) $readmemh({"state_L", 8'h30 + LAYER, ".mem"}, synapses);
        else $readmemh({"weights_L", 8'h30 + LAYER, ".mem"}, synapses);
        $readmemh({"bias_L", 8'h30 + LAYER, ".mem"}, biases);
    end

    // --- counting: lanes, and for what visits all synapses also sources ----------------------------
    wire wait_here, drawn;
    wire last_lane = lane == NEURONS - 1;
    wire visits_all = op >= FADE;
    wire last = op == DRAW ? drawn : last_lane && (!visits_all || source == SOURCES - 1);

    always @(posedge clk)
        if (reset) busy <= 0;
        else if (!busy) begin
            busy <= go;
            op <= command;
            lane <= 0;
            source <= command == SPIKE ? axon : 0;
        end else if (!wait_here) begin
            if (last) busy <= 0;
            if (op != DRAW) lane <= last_lane ? 0 : lane + 1'd1;
            if (visits_all && last_lane) source <= source + 1'd1;
        end

    // --- spikes come in, neurons are updated -------------------------------------------------------
    wire signed [STATE_BITS-1:0] state = synapses[source][STATE_BITS*lane +: STATE_BITS];
    wire signed [31:0] weight = (state + HALF) >>> KEPT;
    wire signed [31:0] sum = sums[lane];
    wire signed [31:0] bias = biases[lane];
    wire signed [31:0] noise;
    wire signed [31:0] current = (sum <<< SHIFT) + (!noisy ? 0 : minus ? -noise : noise);
    wire signed [23:0] next_u, next_v;
    wire spike;
    lif #(DU, DV, VTH_MANT) neuron (
        .u(u[lane]),
        .v(v[lane]),
        .current(current),
        .bias(bias[19:0] << BIAS_EXP),
        .next_u(next_u),
        .next_v(next_v),
        .spike(spike)
    );
    assign updated = busy && op == STEP;
    assign updated_lane = lane;
    assign updated_v = next_v;
    assign updated_spike = spike;

    always @(posedge clk)
        if (busy)
            case (op)
                CLEAR: begin
                    u[lane] <= 0;
                    v[lane] <= 0;
                    sums[lane] <= 0;
                end
                SPIKE: sums[lane] <= sum + weight;
                STEP: begin
                    u[lane] <= next_u;
                    v[lane] <= next_v;
                    spikes[lane] <= spike;
                    sums[lane] <= 0;
                end
                default: ;
            endcase

    // --- learning ----------------------------------------------------------------------------------
    generate
        if (LEARNING) begin : learns
            wire signed [STATE_BITS-1:0] next_state;
            learning #(
                .LAYER(LAYER), .SOURCES(SOURCES), .NEURONS(NEURONS), .SOURCE_BITS(SOURCE_BITS),
                .LANE_BITS(LANE_BITS), .RANK(RANK), .SCALE(SCALE), .ROW_BLOCKS(ROW_BLOCKS),
                .ROUNDING_BLOCKS(ROUNDING_BLOCKS), .MOMENTUM_BITS(MOMENTUM_BITS),
                .STATE_BITS(STATE_BITS), .SUM_BITS(SUM_BITS), .RATE_BITS(RATE_BITS), .SEED(SEED),
                .LOW(-(1 << (STATE_BITS - 1))),
                .HIGH((((1 << (WEIGHT_BITS - 1)) - 1) << KEPT) + (HALF > 0 ? HALF - 1 : 0))
            ) learning (
                .clk(clk), .reset(reset), .active(busy), .op(op), .source(source), .lane(lane),
                .last_lane(last_lane), .pair(pair), .generation(generation), .coefficient(coefficient),
                .rate(rate), .state(state), .next_state(next_state), .noise(noise),
                .wait_here(wait_here), .drawn(drawn), .total(total)
            );
            always @(posedge clk)
                if (busy && op == MOVE && !wait_here)
                    synapses[source][STATE_BITS*lane +: STATE_BITS] <= next_state;
        end else begin : fixed
            assign noise = 0;
            assign wait_here = 0;
            assign drawn = 1;
            assign total = 0;
        end
    endgenerate
endmodule
