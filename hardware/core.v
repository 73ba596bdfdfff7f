// One core: a layer of neurons and all synapses to them, one neuron or ADDERS synapses a clock.
//
//     CLEAR    u, v and sums become 0: a sample begins
//     SPIKE    a spike of `axon` arrives: its row of weights is added to the sums, ADDERS at a time
//     STEP     all neurons are updated and the sums become 0; `spikes` holds who spiked
//
// A core that learns also has, for the `part` SYNAPSES, BIASES or OUTGOING,
//
//     FADE     directions lose their 2^-MOMENTUM_BITS        MEASURE  total = sum of |direction|
//     MOVE     states follow their directions, by `rate`
//
// and for each kind of rule
//
//     LOW_RANK  DRAW and ACCUMULATE, of all synapses         low_rank.v
//     ALIGNED   DRAW, CREDIT, TERM, ADD, ADD_BIAS; FEEDBACK     aligned.v
//     DELTA     FEEDBACK: direction += error * trace of the source
//
// An ALIGNED core has a copy of its outgoing synapses, the readout's, which learns as they do. `go` starts
// `command`; `busy` is 1 until it is done. A FIXED core holds 8-bit weights and nothing of the rest.
module core #(
    parameter RULE = 0,            // FIXED, LOW_RANK, ALIGNED or DELTA
    parameter WATCHED = 1,         // whether `watch_value` shows what is written
    parameter [7:0] LAYER = 0,
    parameter [7:0] READOUT_LAYER = 0,
    parameter SOURCES = 1,
    parameter NEURONS = 1,
    parameter ADDERS = 1,          // synapses of a word, added in one clock: a power of two that divides NEURONS
    parameter READOUT_ADDERS = 1,  // the same of the layer that the copy is of
    parameter CLASSES = 1,
    parameter STEPS = 1,
    parameter STEP_BITS = 1,
    parameter DU = 4095,
    parameter DV = 0,
    parameter READOUT_DU = 4095,
    parameter READOUT_DV = 0,
    parameter VTH_MANT = 0,
    parameter BIAS_EXP = 0,
    parameter SHIFT = 7,           // one unit of a weight adds 2^SHIFT to u
    parameter WEIGHT_BITS = 8,
    parameter READOUT_WEIGHT_BITS = 8,
    parameter FRACTION_BITS = 8,   // what a synapse keeps below its weight
    parameter RANK = 1,
    parameter SCALE = 0,
    parameter WINDOW = 0,
    parameter TRACE_BITS = 8,
    parameter LARGEST = 1,
    parameter ROW_BLOCKS = 1,
    parameter ROUNDING_BLOCKS = 1,          // blocks between the rounding bits of two sources
    parameter READOUT_ROUNDING_BLOCKS = 1,
    parameter MOMENTUM_BITS = 0,
    parameter SUM_BITS = 32,
    parameter RATE_BITS = 48,
    parameter [63:0] SEED = 0
) (
    input  wire                 clk,
    input  wire                 reset,
    input  wire                 go,
    input  wire [3:0]           command,
    input  wire [1:0]           part,
    input  wire [15:0]          axon,
    input  wire [STEP_BITS-1:0] t,
    input  wire                 noisy,        // STEP: add the perturbation of the pair drawn last
    input  wire                 minus,        // ... with its sign turned: the pair's other member
    input  wire [31:0]          pair,
    input  wire [31:0]          generation,
    input  wire signed [7:0]    coefficient,
    input  wire [RATE_BITS-1:0] rate,
    input  wire [15:0]          class_,       // FEEDBACK: whose error it is
    input  wire signed [7:0]    error,
    input  wire                 arriving,     // a source is updated in this clock: number and spike
    input  wire [15:0]          arriving_lane,
    input  wire                 arriving_spike,
    output reg                  busy,
    output reg  [NEURONS-1:0]   spikes,
    output wire                 updated,      // a clock of STEP: neuron `updated_lane` becomes ...
    output wire [15:0]          updated_lane,
    output wire signed [23:0]   updated_v,
    output wire                 updated_spike,
    output wire [63:0]          total,        // of the part that was measured last
    output wire                 watch_valid,  // a number is written in this clock; `watch_op` says which
    output wire [3:0]           watch_op,
    output wire [127:0]         watch_value
);
    `include "ops.vh"
    localparam LEARNS = RULE != FIXED;
    localparam USES_ERRORS = RULE == ALIGNED || RULE == DELTA;
    localparam MOST_ROWS = SOURCES > NEURONS ? SOURCES : NEURONS;
    localparam MOST_COLUMNS = RULE == ALIGNED && CLASSES > NEURONS ? CLASSES : NEURONS;
    localparam MOST = MOST_ROWS > MOST_COLUMNS ? MOST_ROWS : MOST_COLUMNS;
    localparam COUNT_BITS = MOST > 8 ? $clog2(MOST + 1) : 4;
    localparam LANE_BITS = NEURONS > 1 ? $clog2(NEURONS) : 1;
    localparam INPUT_BITS = WEIGHT_BITS + $clog2(SOURCES + 1);

    localparam ADDER_BITS = $clog2(ADDERS);
    localparam GROUP_BITS = LANE_BITS > ADDER_BITS ? LANE_BITS - ADDER_BITS : 1;

    reg [3:0]                   op;
    reg [COUNT_BITS-1:0]        source, lane;
    reg [ADDERS*INPUT_BITS-1:0] sums [0:NEURONS/ADDERS-1];
    reg signed [23:0]           u    [0:NEURONS-1];
    reg signed [23:0]           v    [0:NEURONS-1];
    wire [LANE_BITS-1:0]        at = lane[LANE_BITS-1:0];
    wire [GROUP_BITS-1:0]       group = GROUP_BITS'(at >> ADDER_BITS);
    wire [LANE_BITS-1:0]        beside = at & LANE_BITS'(ADDERS - 1);

    // --- counting: columns, and for what visits all numbers of a part also rows -----------------------
    wire outgoing = RULE == ALIGNED && (part == OUTGOING || op == FEEDBACK);
    wire wait_here, drawn;
    wire absent = part == BIASES ? !USES_ERRORS : part == OUTGOING ? RULE != ALIGNED : !LEARNS;
    wire of_part = op == FADE || op == MEASURE || op == MOVE;
    wire visits_all = of_part || op == ACCUMULATE;
    wire spreads = op == SPIKE || op == ADD;
    wire last_lane =
        lane == COUNT_BITS'(outgoing ? CLASSES - 1 : spreads ? NEURONS - ADDERS : NEURONS - 1);
    wire last_row = source == COUNT_BITS'(of_part && part == BIASES ? 0 : outgoing ? NEURONS - 1 : SOURCES - 1);
    wire last = of_part && absent ? 1'b1
              : op == DRAW ? drawn
              : op == FEEDBACK ? last_row || !USES_ERRORS
              : last_lane && (!visits_all || last_row);

    always @(posedge clk)
        if (reset) busy <= 0;
        else if (!busy) begin
            busy <= go;
            op <= command;
            lane <= command == FEEDBACK ? class_[COUNT_BITS-1:0] : 0;
            source <= command == SPIKE || command == ADD ? axon[COUNT_BITS-1:0] : 0;
        end else if (!wait_here) begin
            if (last) busy <= 0;
            if (op != DRAW && op != FEEDBACK) lane <= last_lane ? 0 : lane + COUNT_BITS'(spreads ? ADDERS : 1);
            if (op == FEEDBACK || (visits_all && last_lane)) source <= source + 1'd1;
        end

    // --- spikes come in, neurons are updated -----------------------------------------------------------
    wire [ADDERS*WEIGHT_BITS-1:0] weights;
    wire signed [12:0]            bias;
    wire [ADDERS*INPUT_BITS-1:0]  held = sums[group];
    wire [ADDERS*INPUT_BITS-1:0]  grown;
    wire signed [INPUT_BITS-1:0]  sum = held[INPUT_BITS*beside +: INPUT_BITS];
    wire signed [INPUT_BITS-1:0]  current_sum;
    wire signed [31:0]            noise;
    wire signed [31:0] added = !noisy ? 32'sd0 : minus ? -noise : noise;
    wire signed [31:0] current = (32'(current_sum) <<< SHIFT) + added;
    wire signed [23:0] next_u, next_v, level;
    wire spike;
    lif #(DU, DV, VTH_MANT) neuron (
        .u(u[at]),
        .v(v[at]),
        .current(current),
        .bias(32'(bias) <<< BIAS_EXP),
        .next_u(next_u),
        .next_v(next_v),
        .level(level),
        .spike(spike)
    );
    assign updated = busy && op == STEP;
    assign updated_lane = 16'(lane);
    assign updated_v = next_v;
    assign updated_spike = spike;

    always @(posedge clk)
        if (busy)
            case (op)
                CLEAR: begin
                    u[at] <= 0;
                    v[at] <= 0;
                    sums[group][INPUT_BITS*beside +: INPUT_BITS] <= 0;
                end
                SPIKE: sums[group] <= grown;
                STEP: begin
                    u[at] <= next_u;
                    v[at] <= next_v;
                    spikes[at] <= spike;
                    sums[group][INPUT_BITS*beside +: INPUT_BITS] <= 0;
                end
                default: ;
            endcase

    genvar i;
    generate
        for (i = 0; i < ADDERS; i = i + 1) begin : adders
            assign grown[INPUT_BITS*i +: INPUT_BITS] = held[INPUT_BITS*i +: INPUT_BITS]
                + INPUT_BITS'($signed(weights[WEIGHT_BITS*i +: WEIGHT_BITS]));
        end
        if (!USES_ERRORS) begin : constant
            reg signed [12:0] biases [0:NEURONS-1];
            initial $readmemh({"bias_L", 8'h30 + LAYER, ".mem"}, biases);
            assign bias = biases[at];
            assign current_sum = sum;
        end
        if (!LEARNS) begin : fixed
            localparam WORDS = SOURCES * NEURONS / ADDERS;
            localparam WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
            reg [ADDERS*WEIGHT_BITS-1:0] synapses [0:WORDS-1];
            wire [WORD_BITS-1:0] word;
            address #(SOURCES, NEURONS / ADDERS, ADDERS, COUNT_BITS) place (
                .row(source), .column(lane), .word(word)
            );
            initial $readmemh({"weights_L", 8'h30 + LAYER, ".mem"}, synapses);
            assign weights = synapses[word];
            assign noise = 0;
            assign wait_here = 0;
            assign drawn = 1;
            assign total = 0;
            assign watch_valid = updated;
            assign watch_op = op;
            assign watch_value = WATCHED != 0 ? 128'({1'b0, spike, next_v}) : 128'd0;
            wire unused = &{1'b0, t, pair, generation, coefficient, rate, class_, error, arriving,
                            arriving_lane, arriving_spike, axon, absent, source};
        end else begin : learns
            // --- random bits: ask for a block, wait, use it --------------------------------------------
            localparam BIAS_STATE_BITS = 13 + 8;
            localparam [15:0] ROUNDING = 4, BIAS_ROUNDING = 5;  // streams
            reg          asked;
            reg [31:0]   base;  // MOVE: first block of this row
            wire [127:0] block;
            wire         done;
            wire [15:0]  stream;
            wire [31:0]  block_index;
            wire         drawn_last;
            wire moving = op == MOVE && !absent;
            wire drawing = busy && (moving || op == DRAW);
            wire ready = asked && done;
            wire used = drawing && ready && (!moving || lane[2:0] == 7 || last_lane);
            philox4x32 generator (
                .clk(clk),
                .start(drawing && !asked),
                .counter({
                    generation,
                    moving ? 32'd0 : pair,
                    {moving ? (part == BIASES ? BIAS_ROUNDING : ROUNDING) : stream, 8'd0,
                     outgoing ? READOUT_LAYER : LAYER},
                    moving ? base + 32'(lane[COUNT_BITS-1:3]) : block_index
                }),
                .key(SEED),
                .done(done),
                .block(block)
            );
            assign wait_here = moving && !ready;
            assign drawn = ready && drawn_last;
            always @(posedge clk)
                if (reset || !busy) begin
                    asked <= 0;
                    base <= 0;
                end else begin
                    if (drawing) asked <= !used;
                    if (used && last_lane) base <= base + (outgoing ? READOUT_ROUNDING_BLOCKS : ROUNDING_BLOCKS);
                end
            wire take = busy && op == DRAW && ready;

            // --- states and directions -----------------------------------------------------------------
            wire present = busy && !absent;
            wire fade = present && op == FADE, measure = present && op == MEASURE;
            wire move_now = present && op == MOVE && ready;
            wire [15:0] random = block[16*lane[2:0] +: 16];
            wire adds;
            localparam ADDS = RULE == ALIGNED ? ADDERS : 1;  // ADD is of all synapses of a source
            wire [ADDS*SUM_BITS-1:0] increments;
            localparam STATE_BITS = WEIGHT_BITS + FRACTION_BITS;
            localparam MOVED_BITS = USES_ERRORS ? BIAS_STATE_BITS : STATE_BITS;  // the widest state
            wire signed [STATE_BITS-1:0] state, low, high;
            wire signed [SUM_BITS-1:0] direction, measured;
            wire signed [MOVED_BITS-1:0] moved_state, moved_low, moved_high, next_state;
            wire signed [SUM_BITS-1:0] moved_direction;
            move #(MOVED_BITS, SUM_BITS, RATE_BITS) step (
                .state(moved_state), .direction(moved_direction), .rate(rate), .random(random),
                .low(moved_low), .high(moved_high), .next(next_state)
            );
            wire [63:0] synapse_total;
            plastic #(
                .LAYER(LAYER), .ROWS(SOURCES), .COLUMNS(NEURONS), .VALUE_BITS(WEIGHT_BITS),
                .FRACTION_BITS(FRACTION_BITS), .MOMENTUM_BITS(MOMENTUM_BITS), .SUM_BITS(SUM_BITS),
                .WORD(ADDERS), .READS(ADDERS), .ADDS(ADDS), .COUNT_BITS(COUNT_BITS)
            ) synapses (
                .clk(clk), .fade(fade && part == SYNAPSES), .add(adds), .measure(measure && part == SYNAPSES),
                .moving(move_now && part == SYNAPSES), .row(source), .column(lane),
                .increments(increments), .next_state(next_state[STATE_BITS-1:0]), .state(state), .low(low),
                .high(high), .values(weights),
                .direction(direction), .measured(measured), .total(synapse_total)
            );

            // --- rules ---------------------------------------------------------------------------------
            if (RULE == LOW_RANK) begin : low_rank
                low_rank #(
                    .SOURCES(SOURCES), .NEURONS(NEURONS), .COUNT_BITS(COUNT_BITS), .RANK(RANK), .SCALE(SCALE),
                    .ROW_BLOCKS(ROW_BLOCKS), .SUM_BITS(SUM_BITS)
                ) rule (
                    .clk(clk), .active(busy), .op(op), .source(source), .lane(lane), .last_lane(last_lane),
                    .take(take), .block(block), .coefficient(coefficient), .stream(stream),
                    .block_index(block_index), .drawn(drawn_last), .noise(noise), .increment(increments)
                );
                assign adds = busy && op == ACCUMULATE;
                assign {moved_state, moved_low, moved_high} = {state, low, high};
                assign moved_direction = direction;
                assign total = synapse_total;
                assign watch_value = WATCHED == 0 ? 128'd0
                    : op == STEP ? 128'({1'b0, spike, next_v}) : op == DRAW ? block
                    : op == MEASURE ? 128'(measured) : 128'(next_state);
                assign watch_valid = updated || take || measure || move_now;
                wire unused = &{1'b0, t, class_, error, arriving, arriving_lane, arriving_spike, axon};
            end else begin : presents
                // biases learn, and what arrives is filtered
                wire signed [BIAS_STATE_BITS-1:0] bias_state, bias_low, bias_high;
                wire signed [SUM_BITS-1:0] bias_direction, measured_bias, bias_increment;
                wire [63:0] bias_total;
                wire adds_bias;
                plastic #(
                    .LAYER(LAYER), .BIAS(1), .ROWS(1), .COLUMNS(NEURONS), .VALUE_BITS(13), .FRACTION_BITS(8),
                    .MOMENTUM_BITS(0), .SUM_BITS(SUM_BITS), .COUNT_BITS(COUNT_BITS)
                ) biases (
                    .clk(clk), .fade(fade && part == BIASES), .add(adds_bias),
                    .measure(measure && part == BIASES), .moving(move_now && part == BIASES),
                    .row({COUNT_BITS{1'b0}}), .column(lane), .increments(bias_increment),
                    .next_state(next_state), .state(bias_state), .low(bias_low), .high(bias_high), .values(bias), .direction(bias_direction),
                    .measured(measured_bias), .total(bias_total)
                );
                wire [TRACE_BITS-1:0] trace_value;
                wire signed [TRACE_BITS+8:0] error_term;  // what an error adds to the direction of a synapse
                signed_multiply #(8, TRACE_BITS + 1) delta (
                    .a(error), .b($signed({1'b0, trace_value})), .product(error_term)
                );
                wire receives_error = busy && op == FEEDBACK;

                if (RULE == DELTA) begin : delta_rule
                    wire [COUNT_BITS-1:0] traced = arriving ? arriving_lane[COUNT_BITS-1:0] : source;
                    trace #(SOURCES, COUNT_BITS, DU, DV, TRACE_BITS) traces (
                        .clk(clk), .update(arriving), .first(t == 0), .spike(arriving_spike), .neuron(traced),
                        .value(trace_value)
                    );
                    assign increments = SUM_BITS'(error_term);
                    assign adds = receives_error;
                    assign bias_increment = SUM_BITS'(error);
                    assign adds_bias = receives_error && source == 0;
                    assign total = part == BIASES ? bias_total : synapse_total;
                    assign {stream, block_index, drawn_last} = {16'd0, 32'd0, 1'b1};
                    assign noise = 0;
                    assign current_sum = sum;
                    wire signed [SUM_BITS-1:0] measured_part = part == BIASES ? measured_bias : measured;
                    assign moved_state = part == BIASES ? bias_state : MOVED_BITS'(state);
                    assign moved_low = part == BIASES ? bias_low : MOVED_BITS'(low);
                    assign moved_high = part == BIASES ? bias_high : MOVED_BITS'(high);
                    assign moved_direction = part == BIASES ? bias_direction : direction;
                    assign watch_value = WATCHED == 0 ? 128'd0
                        : op == STEP ? 128'({1'b0, spike, next_v})
                        : op == FEEDBACK ? 128'(trace_value)
                        : op == MEASURE ? 128'(measured_part) : 128'(next_state);
                    wire unused = &{1'b0, axon};
                end else begin : by_error
                    wire signed [READOUT_WEIGHT_BITS-1:0] out_weight;
                    localparam OUT_BITS = READOUT_WEIGHT_BITS + FRACTION_BITS;
                    wire signed [OUT_BITS-1:0] out_state, out_low, out_high;
                    wire signed [SUM_BITS-1:0] out_direction, measured_out;
                    wire [63:0] out_total;
                    plastic #(
                        .LAYER(READOUT_LAYER), .ROWS(NEURONS), .COLUMNS(CLASSES),
                        .VALUE_BITS(READOUT_WEIGHT_BITS), .FRACTION_BITS(FRACTION_BITS),
                        .MOMENTUM_BITS(MOMENTUM_BITS), .SUM_BITS(SUM_BITS), .WORD(READOUT_ADDERS),
                        .COUNT_BITS(COUNT_BITS)
                    ) outgoing_synapses (
                        .clk(clk), .fade(fade && part == OUTGOING), .add(receives_error),
                        .measure(measure && part == OUTGOING), .moving(move_now && part == OUTGOING),
                        .row(source), .column(lane), .increments(SUM_BITS'(error_term)),
                        .next_state(next_state[OUT_BITS-1:0]), .state(out_state), .low(out_low),
                        .high(out_high), .values(out_weight), .direction(out_direction),
                        .measured(measured_out), .total(out_total)
                    );
                    wire near;
                    wire signed [15:0] credit;
                    aligned #(
                        .NEURONS(NEURONS), .CLASSES(CLASSES), .STEPS(STEPS), .STEP_BITS(STEP_BITS),
                        .COUNT_BITS(COUNT_BITS), .ADDERS(ADDERS), .INPUT_BITS(INPUT_BITS), .SCALE(SCALE),
                        .WINDOW(WINDOW), .VTH_MANT(VTH_MANT), .WEIGHT_BITS(READOUT_WEIGHT_BITS), .TRACE_BITS(TRACE_BITS),
                        .LARGEST(16'(LARGEST)), .DU(READOUT_DU), .DV(READOUT_DV), .SUM_BITS(SUM_BITS)
                    ) rule (
                        .clk(clk), .active(busy), .op(op), .lane(lane), .feedback_neuron(source), .t(t), .noisy(noisy),
                        .take(take), .block(block), .sum(sum), .level(level), .spike(spike),
                        .first_class(lane == 0), .error(error), .weight(out_weight), .stream(stream),
                        .block_index(block_index), .drawn(drawn_last), .current_sum(current_sum),
                        .noise(noise), .near(near), .credit(credit), .trace_value(trace_value),
                        .increments(increments), .increment(bias_increment)
                    );
                    assign adds = busy && op == ADD;
                    assign adds_bias = busy && op == ADD_BIAS;
                    assign total = part == OUTGOING ? out_total : part == BIASES ? bias_total : synapse_total;
                    wire signed [SUM_BITS-1:0] measured_part =
                        part == OUTGOING ? measured_out : part == BIASES ? measured_bias : measured;
                    assign moved_state = part == OUTGOING ? MOVED_BITS'(out_state)
                        : part == BIASES ? bias_state : MOVED_BITS'(state);
                    assign moved_low = part == OUTGOING ? MOVED_BITS'(out_low)
                        : part == BIASES ? bias_low : MOVED_BITS'(low);
                    assign moved_high = part == OUTGOING ? MOVED_BITS'(out_high)
                        : part == BIASES ? bias_high : MOVED_BITS'(high);
                    assign moved_direction =
                        part == OUTGOING ? out_direction : part == BIASES ? bias_direction : direction;
                    assign watch_value = WATCHED == 0 ? 128'd0
                        : op == STEP ? 128'({near, spike, next_v}) : op == DRAW ? block
                        : op == FEEDBACK ? 128'(trace_value) : op == CREDIT ? 128'(credit)
                        : op == MEASURE ? 128'(measured_part) : 128'(next_state);
                    wire unused = &{1'b0, arriving, arriving_lane, arriving_spike};
                end
                assign watch_valid = updated || take || receives_error || measure || move_now
                                     || (busy && op == CREDIT);
                wire unused = &{1'b0, coefficient};
            end
            assign watch_op = op;
        end
    endgenerate
    wire unused = &{1'b0, axon, class_, arriving_lane, level};
endmodule
