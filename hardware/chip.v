// Network of cores: one core a layer, and a router that hands each its spikes, one after another.
//
//     RUN      the sample in the frame buffer passes through all layers; then `value` is its fitness
//     FEEDBACK the error of every class of that sample goes to the cores, one after another
//     PERTURB  one member of a pair: the first layer runs again, with noise; after -noise, its credits and terms
//     REPLAY   the spikes of the frame buffer add the terms of their steps to the directions of the first layer
//     other    all cores do it at once (core.v)
//
// A generation of low-rank noise (RULE 1):    each pair: DRAW, RUN every sample of its group as +E and -E;
//                                             FADE; each pair: DRAW, ACCUMULATE; MEASURE; MOVE.
// A generation of credit by error (RULE 2):   FADE; each group: RUN, FEEDBACK, each pair: PERTURB twice; REPLAY;
//                                             MEASURE and MOVE of each part.
//
// A layer acts in the step of the spikes that it is sent, as in training. `go` starts `command`, `busy` is 1
// until it is done. All sizes come from the folder that `neurosim export RUN --to hdl` writes.
module chip #(
    parameter LEARNING = 1,     // 0: cores that only infer
    parameter WATCHED = 1       // 0: `watch_value` is 0, and costs nothing
) (
    clk, reset, go, command, part, frame_write, frame_step, frame, label, noisy, minus, pair, generation,
    coefficient, rates, busy, value, totals, error_valid, error, watch_valid, watch_op, watch_value
);
    `include "params.vh"
    `include "ops.vh"
    localparam STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1;
    localparam LAYER_BITS = LAYERS > 1 ? $clog2(LAYERS) : 1;
    localparam CLASS_BITS = CLASSES > 1 ? $clog2(CLASSES) : 1;
    localparam LAST = LAYERS - 1;
    localparam USED_RULE = LEARNING != 0 ? RULE : FIXED;

    input  wire                        clk, reset, go;
    input  wire [3:0]                  command;
    input  wire [1:0]                  part;
    input  wire                        frame_write;
    input  wire [STEP_BITS-1:0]        frame_step;
    input  wire [INPUTS-1:0]           frame;
    input  wire [15:0]                 label;
    input  wire                        noisy, minus;
    input  wire [31:0]                 pair, generation;
    input  wire signed [7:0]           coefficient;
    input  wire [RATE_BITS*LAYERS-1:0] rates;
    output reg                         busy;
    output wire signed [63:0]          value;
    output wire [64*LAYERS-1:0]        totals;
    output wire                        error_valid;  // FEEDBACK: the error of the next class
    output wire signed [7:0]           error;
    output wire [LAYERS-1:0]           watch_valid;
    output wire [4*LAYERS-1:0]         watch_op;
    output wire [128*LAYERS-1:0]       watch_value;

    // --- where a command stands ------------------------------------------------------------------------
    localparam [3:0] IDLE = 0, ISSUE = 1, SCAN = 2, UPDATE = 3, SCORE = 4, ERRORS = 5, DRAWING = 6, MEMBER = 7,
                     CREDITS = 8;
    reg [3:0]             phase;
    reg [STEP_BITS-1:0]   t;
    reg [LAYER_BITS-1:0]  layer;
    reg [WIDTH-1:0]       arriving;  // spikes to hand to the layer, lowest first
    reg [15:0]            axon;
    reg [15:0]            class_;
    reg                   terms;     // PERTURB: the credits are there, and the noise is drawn once more
    reg [LAYERS-1:0]      accepted;  // cores that have been given their command
    reg                   asked;     // the readout, or the errors, have been started
    reg [INPUTS-1:0]      frames [0:STEPS-1];
    reg signed [31:0]     scores [0:CLASSES-1];

    wire [LAYERS-1:0]       core_busy;
    wire [WIDTH*LAYERS-1:0] core_spikes;
    wire [LAYERS-1:0]       updated, updated_spike;
    wire [16*LAYERS-1:0]    updated_lane;
    wire [24*LAYERS-1:0]    updated_v;
    wire readout_busy, errors_busy;

    wire first_step = t == 0;
    wire last_step = t == STEP_BITS'(STEPS - 1);
    wire last_layer = layer == LAYER_BITS'(LAST);
    wire last_class = class_ == 16'(CLASSES - 1);
    wire free = !core_busy[layer];
    wire hand_over = phase == SCAN && arriving[0] && free;
    wire [STEP_BITS-1:0] next_step = t + 1'd1;

    // which command, and for which cores; a core gets it once, as soon as it is free
    wire [3:0] core_command =
        phase == SCAN ? (command == REPLAY ? ADD : SPIKE)
        : phase == UPDATE ? (command == REPLAY ? ADD_BIAS : STEP)
        : phase == DRAWING ? DRAW
        : phase == MEMBER ? (terms ? TERM : STEP)
        : phase == CREDITS ? CREDIT
        : command == RUN || command == PERTURB ? CLEAR : command;
    wire issuing = phase == ISSUE || phase == UPDATE || phase == DRAWING || phase == MEMBER || phase == CREDITS;
    wire [LAYERS-1:0] addressed = phase == ISSUE ? {LAYERS{1'b1}} : LAYERS'(1) << layer;
    wire [LAYERS-1:0] issued = issuing ? addressed & ~accepted & ~core_busy : {LAYERS{1'b0}};
    wire settled = issuing && (accepted & addressed) == addressed && (core_busy & addressed) == 0;

    always @(posedge clk) begin
        if (frame_write) frames[frame_step] <= frame;
        accepted <= settled ? {LAYERS{1'b0}} : accepted | issued;
        if (reset) begin
            phase <= IDLE;
            busy <= 0;
            accepted <= 0;
            asked <= 0;
        end else
            case (phase)
                IDLE:
                if (go) begin
                    busy <= 1;
                    phase <= command == REPLAY ? SCAN : command == FEEDBACK ? ERRORS : ISSUE;
                    t <= 0;
                    layer <= 0;
                    axon <= 0;
                    class_ <= 0;
                    terms <= 0;
                    arriving <= WIDTH'(frames[0]);
                end
                ISSUE:  // all cores at once
                if (settled) begin
                    phase <= command == RUN ? SCAN : command == PERTURB ? DRAWING : IDLE;
                    busy <= command == RUN || command == PERTURB;
                    if (command == FEEDBACK && !last_class) begin
                        phase <= ERRORS;
                        class_ <= class_ + 16'd1;
                        busy <= 1;
                    end
                end
                SCAN:
                if (arriving == 0) phase <= UPDATE;
                else if (!arriving[0] || free) begin
                    arriving <= arriving >> 1;
                    axon <= axon + 16'd1;
                end
                UPDATE:
                if (settled) begin
                    axon <= 0;
                    phase <= SCAN;
                    if (last_layer || command == REPLAY) begin
                        layer <= 0;
                        t <= next_step;
                        arriving <= WIDTH'(frames[next_step]);
                        if (last_step) phase <= command == REPLAY ? IDLE : SCORE;
                        if (last_step && command == REPLAY) busy <= 0;
                    end else begin
                        layer <= layer + 1'd1;
                        arriving <= core_spikes[WIDTH*layer +: WIDTH];
                    end
                end
                SCORE: begin
                    asked <= 1;
                    if (asked && !readout_busy) begin
                        phase <= IDLE;
                        busy <= 0;
                        asked <= 0;
                    end
                end
                ERRORS: begin
                    asked <= 1;
                    if (asked && !errors_busy) begin
                        phase <= ISSUE;
                        asked <= 0;
                    end
                end
                DRAWING: if (settled) phase <= MEMBER;
                MEMBER:
                if (settled) begin
                    t <= last_step ? {STEP_BITS{1'b0}} : next_step;
                    phase <= !last_step ? DRAWING : minus && !terms ? CREDITS : IDLE;
                    busy <= !last_step || (minus && !terms);
                end
                CREDITS:
                if (settled) begin
                    phase <= DRAWING;
                    terms <= 1;
                end
                default: phase <= IDLE;
            endcase
    end

    // --- cores -----------------------------------------------------------------------------------------
    genvar l;
    generate
        for (l = 0; l < LAYERS; l = l + 1) begin : layers
            localparam N = NEURONS[32*l +: 32];
            localparam BEFORE = l > 0 ? l - 1 : 0;
            wire [N-1:0] spikes;
            assign core_spikes[WIDTH*l +: WIDTH] = WIDTH'(spikes);
            core #(
                .RULE(USED_RULE != ALIGNED ? USED_RULE : l == LAST ? DELTA : ALIGNED), .WATCHED(WATCHED),
                .ADDERS(ADDERS[32*l +: 32]), .READOUT_ADDERS(ADDERS[32*LAST +: 32]),
                .LAYER(8'(l)), .READOUT_LAYER(8'(LAST)), .SOURCES(SOURCES[32*l +: 32]), .NEURONS(N),
                .CLASSES(CLASSES), .STEPS(STEPS), .STEP_BITS(STEP_BITS),
                .DU(DU[32*l +: 32]), .DV(DV[32*l +: 32]), .READOUT_DU(DU[32*LAST +: 32]),
                .READOUT_DV(DV[32*LAST +: 32]), .VTH_MANT(VTH_MANT[32*l +: 32]),
                .BIAS_EXP(BIAS_EXP[32*l +: 32]), .SHIFT(CURRENT_SHIFT[32*l +: 32]),
                .WEIGHT_BITS(WEIGHT_BITS[32*l +: 32]), .READOUT_WEIGHT_BITS(WEIGHT_BITS[32*LAST +: 32]),
                .SCALE(SCALE[32*l +: 32]), .WINDOW(WINDOW), .TRACE_BITS(TRACE_BITS), .LARGEST(LARGEST),
                .ROW_BLOCKS(ROW_BLOCKS[32*l +: 32]), .ROUNDING_BLOCKS(ROUNDING_BLOCKS[32*l +: 32]),
                .READOUT_ROUNDING_BLOCKS(ROUNDING_BLOCKS[32*LAST +: 32]),
                .FRACTION_BITS(FRACTION_BITS), .RANK(RANK), .MOMENTUM_BITS(MOMENTUM_BITS),
                .SUM_BITS(SUM_BITS), .RATE_BITS(RATE_BITS), .SEED(SEED)
            ) core (
                .clk(clk),
                .reset(reset),
                .go(issued[l] || (hand_over && layer == LAYER_BITS'(l))),
                .command(core_command),
                .part(part),
                .axon(axon),
                .t(t),
                .noisy(noisy),
                .minus(minus),
                .pair(pair),
                .generation(generation),
                .coefficient(coefficient),
                .rate(part == OUTGOING ? rates[RATE_BITS*LAST +: RATE_BITS] : rates[RATE_BITS*l +: RATE_BITS]),
                .class_(class_),
                .error(error),
                .arriving(l > 0 && updated[BEFORE]),
                .arriving_lane(updated_lane[16*BEFORE +: 16]),
                .arriving_spike(updated_spike[BEFORE]),
                .busy(core_busy[l]),
                .spikes(spikes),
                .updated(updated[l]),
                .updated_lane(updated_lane[16*l +: 16]),
                .updated_v(updated_v[24*l +: 24]),
                .updated_spike(updated_spike[l]),
                .total(totals[64*l +: 64]),
                .watch_valid(watch_valid[l]),
                .watch_op(watch_op[4*l +: 4]),
                .watch_value(watch_value[128*l +: 128])
            );
        end
    endgenerate

    // --- what the last layer's membranes, or its spikes, add up to; fitness and errors ----------------------
    wire [15:0] wanted;
    wire [CLASS_BITS-1:0] scored_lane = updated_lane[16*LAST +: CLASS_BITS];
    wire signed [31:0] scored_v = 32'($signed(updated_v[24*LAST +: 24]));
    wire signed [31:0] added = MEMBRANE != 0 ? scored_v : 32'(updated_spike[LAST]);
    always @(posedge clk)
        if (updated[LAST]) scores[scored_lane] <= (first_step ? 32'd0 : scores[scored_lane]) + added;

    wire [31:0] power, sum;
    readout #(CLASSES, READOUT_MULTIPLIER, READOUT_SHIFT) readout (
        .clk(clk),
        .reset(reset),
        .go(phase == SCORE && !asked),
        .label(label),
        .asked(class_),
        .lane(wanted),
        .score(scores[wanted[CLASS_BITS-1:0]]),
        .busy(readout_busy),
        .value(value),
        .power(power),
        .sum(sum)
    );
    generate
        if (USED_RULE == ALIGNED) begin : error_unit
            errors errors (
                .clk(clk),
                .reset(reset),
                .go(phase == ERRORS && !asked),
                .is_label(class_ == label),
                .power(power),
                .sum(sum),
                .busy(errors_busy),
                .error(error)
            );
        end else begin : no_errors
            assign errors_busy = 0;
            assign error = 0;
            wire unused = &{1'b0, power, sum};
        end
    endgenerate
    assign error_valid = phase == ERRORS && asked && !errors_busy;
    wire unused = &{1'b0, wanted, updated_lane, updated_v, updated_spike, updated, core_spikes};
endmodule
