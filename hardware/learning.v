// What must a core have to learn? A generator, one relay a rank, and a direction for each synapse.
//
//     DRAW     the bits A and B of a pair, from (stream, layer, pair, generation; seed)
//     FADE     direction = direction - direction / 2^MOMENTUM_BITS, towards zero; all 0 without momentum
//     VOTE     direction = direction + coefficient * A B^T, for the pair drawn last
//     MEASURE  total = sum of |direction|, from which the host makes the rate
//     MOVE     the synapses, by direction * rate, stochastically rounded
//
// The core counts `source` and `lane` and holds the synapses; this module says when to wait.
module learning #(
    parameter [7:0] LAYER = 0,
    parameter SOURCES = 1,
    parameter NEURONS = 1,
    parameter SOURCE_BITS = 1,
    parameter LANE_BITS = 1,
    parameter RANK = 1,
    parameter SCALE = 0,
    parameter ROW_BLOCKS = 1,     // blocks between two ranks of B
    parameter ROUNDING_BLOCKS = 1,  // blocks between the rounding bits of two sources
    parameter MOMENTUM_BITS = 0,
    parameter STATE_BITS = 16,
    parameter SUM_BITS = 32,
    parameter RATE_BITS = 48,
    parameter signed [31:0] LOW = 0,
    parameter signed [31:0] HIGH = 0,
    parameter [63:0] SEED = 0
) (
    input  wire                         clk,
    input  wire                         reset,
    input  wire                         active,
    input  wire [2:0]                   op,
    input  wire [SOURCE_BITS-1:0]       source,
    input  wire [LANE_BITS-1:0]         lane,
    input  wire                         last_lane,
    input  wire [31:0]                  pair,
    input  wire [31:0]                  generation,
    input  wire signed [7:0]            coefficient,
    input  wire [RATE_BITS-1:0]         rate,
    input  wire signed [STATE_BITS-1:0] state,
    output wire signed [STATE_BITS-1:0] next_state,
    output wire signed [31:0]           noise,     // current of the pair's +E to neuron `lane`
    output wire                         wait_here, // the core must not count on
    output wire                         drawn,     // DRAW is done
    output reg  [63:0]                  total
);
    `include "ops.vh"
    localparam [15:0] OUTPUT_FACTOR = 0, INPUT_FACTOR = 1, ROUNDING = 4;  // streams
    localparam A_BLOCKS = (NEURONS + 127) / 128;
    localparam B_BLOCKS = (SOURCES + 127) / 128;
    localparam MOST = A_BLOCKS > B_BLOCKS ? A_BLOCKS : B_BLOCKS;
    localparam PLACE_BITS = $clog2(MOST + 1);

    // --- random bits: ask for a block, wait, use it -----------------------------------------------
    reg                  asked;
    reg                  of_sources;  // DRAW: A comes first, then B
    reg [7:0]            component;   // DRAW: which rank
    reg [PLACE_BITS-1:0] place;       // DRAW: which block of it
    reg [31:0]           base;        // first block of this rank, or of this source's rounding bits
    wire [127:0]         block;
    wire                 done;
    wire                 moving = op == MOVE;
    wire                 drawing = active && (moving || op == DRAW);
    wire                 ready = asked && done;
    wire                 last_place = place == (of_sources ? B_BLOCKS - 1 : A_BLOCKS - 1);
    wire                 used = drawing && ready && (!moving || lane[2:0] == 7 || last_lane);
    wire [15:0]          stream = moving ? ROUNDING : of_sources ? INPUT_FACTOR : OUTPUT_FACTOR;
    wire [31:0]          index = base + (moving ? lane >> 3 : place);

    philox4x32 generator (
        .clk(clk),
        .start(drawing && !asked),
        .counter({generation, moving ? 32'd0 : pair, {stream, 8'd0, LAYER}, index}),
        .key(SEED),
        .done(done),
        .block(block)
    );
    assign wait_here = moving && !ready;
    assign drawn = ready && op == DRAW && of_sources && last_place && component == RANK - 1;

    always @(posedge clk)
        if (reset || !active) begin
            asked <= 0;
            of_sources <= 0;
            component <= 0;
            place <= 0;
            base <= 0;
        end else begin
            if (drawing && !asked) asked <= 1;
            if (used) begin
                asked <= 0;
                if (moving) begin
                    if (last_lane) base <= base + ROUNDING_BLOCKS;
                end else if (!last_place) place <= place + 1'd1;
                else begin
                    place <= 0;
                    base <= base + (of_sources ? ROW_BLOCKS : A_BLOCKS);
                    component <= component + 8'd1;
                    if (component == RANK - 1) begin
                        base <= 0;
                        component <= 0;
                        of_sources <= 1;
                    end
                end
            end
        end

    // --- the perturbation: what it adds now, and how the pair votes -------------------------------
    wire signed [31:0] currents [0:RANK];
    wire signed [31:0] votes [0:RANK];
    assign currents[0] = 0;
    assign votes[0] = 0;
    genvar r;
    generate
        for (r = 0; r < RANK; r = r + 1) begin : rank
            wire signed [31:0] current;
            wire positive;
            relay #(SOURCES, NEURONS, SCALE, SOURCE_BITS, LANE_BITS, PLACE_BITS) relay (
                .clk(clk),
                .write_a(ready && op == DRAW && !of_sources && component == r),
                .write_b(ready && op == DRAW && of_sources && component == r),
                .place(place),
                .block(block),
                .clear(active && (op == CLEAR || op == STEP) && last_lane),
                .arrive(active && op == SPIKE && last_lane),
                .source(source),
                .lane(lane),
                .current(current),
                .positive(positive)
            );
            assign currents[r+1] = currents[r] + current;
            assign votes[r+1] = positive ? votes[r] + coefficient : votes[r] - coefficient;
        end
    endgenerate
    assign noise = currents[RANK];

    // --- directions: a row of them for each source ------------------------------------------------
    reg [NEURONS*SUM_BITS-1:0] directions [0:SOURCES-1];
    initial if (MOMENTUM_BITS > 0) $readmemh({"momentum_L", 8'h30 + LAYER, ".mem"}, directions);

    wire signed [SUM_BITS-1:0] direction = directions[source][SUM_BITS*lane +: SUM_BITS];
    wire [SUM_BITS-1:0] size = direction[SUM_BITS-1] ? -direction : direction;
    wire [SUM_BITS-1:0] lost = MOMENTUM_BITS > 0 ? size >> MOMENTUM_BITS : size;
    wire signed [SUM_BITS-1:0] faded = direction[SUM_BITS-1] ? direction + lost : direction - lost;

    always @(posedge clk)
        if (active)
            case (op)
                FADE: directions[source][SUM_BITS*lane +: SUM_BITS] <= MOMENTUM_BITS > 0 ? faded : 0;
                VOTE: directions[source][SUM_BITS*lane +: SUM_BITS] <= direction + votes[RANK];
                MEASURE: total <= (source == 0 && lane == 0 ? 64'd0 : total) + size;
                default: ;
            endcase

    move #(STATE_BITS, SUM_BITS, RATE_BITS, LOW, HIGH) step (
        .state(state),
        .direction(direction),
        .rate(rate),
        .random(block[16*lane[2:0] +: 16]),
        .next(next_state)
    );
endmodule
