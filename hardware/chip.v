// How do cores make a network? One core a layer; a router hands each its spikes, one after another.
//
//     RUN    the sample in the frame buffer passes through all layers; then `value` is its fitness
//     other  all cores do it at once
//
// A layer acts in the step of the spikes it is sent, as in training. `go` starts `command`, `busy` is 1
// until it is done. All sizes come from the folder that `neurosim export RUN --to hdl` writes.
module chip #(
    parameter LEARNING = 1
) (
    clk, reset, go, command, frame_write, frame_step, frame, label, noisy, minus, pair, generation,
    coefficient, rates, busy, value, totals, stepped
);
    `include "params.vh"
    `include "ops.vh"
    localparam [2:0] RUN = STEP;
    localparam STEP_BITS = $clog2(STEPS + 1);
    localparam LAYER_BITS = $clog2(LAYERS + 1);

    input  wire                        clk, reset, go;
    input  wire [2:0]                  command;
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
    output reg                         stepped;  // the clock after all layers have done a step

    // --- where a run stands -----------------------------------------------------------------------
    localparam [2:0] IDLE = 0, TELL = 1, SCAN = 2, UPDATE = 3, SCORE = 4;
    reg [2:0]            phase;
    reg [STEP_BITS-1:0]  t;
    reg [LAYER_BITS-1:0] layer;
    reg [WIDTH-1:0]      arriving;  // spikes to hand to the layer, lowest first
    reg [15:0]           axon;
    reg [INPUTS-1:0]     frames [0:STEPS-1];
    reg signed [31:0]    scores [0:CLASSES-1];
    reg [LAYERS-1:0]     told;      // cores that have been given their command

    wire [LAYERS-1:0]       core_busy;
    wire [WIDTH*LAYERS-1:0] core_spikes;
    wire [LAYERS-1:0]       updated, updated_spike;
    wire [16*LAYERS-1:0]    updated_lane;
    wire [24*LAYERS-1:0]    updated_v;

    wire last_layer = layer == LAYERS - 1;
    wire free = !core_busy[layer];
    wire [2:0] core_command = phase == SCAN ? SPIKE : phase == UPDATE ? STEP : command == RUN ? CLEAR : command;
    wire hand_over = phase == SCAN && arriving[0] && free;
    wire update = phase == UPDATE && !told[layer] && free;
    wire readout_busy;

    always @(posedge clk) begin
        if (frame_write) frames[frame_step] <= frame;
        stepped <= phase == UPDATE && told[layer] && free && last_layer;
        if (reset) begin
            phase <= IDLE;
            busy <= 0;
            told <= 0;
        end else
            case (phase)
                IDLE:
                if (go) begin
                    busy <= 1;
                    phase <= TELL;
                    told <= 0;
                    t <= 0;
                    layer <= 0;
                end
                TELL: begin  // all cores at once
                    told <= {LAYERS{1'b1}};
                    if (&told && core_busy == 0) begin
                        told <= 0;
                        arriving <= frames[0];
                        axon <= 0;
                        phase <= command == RUN ? SCAN : IDLE;
                        busy <= command == RUN;
                    end
                end
                SCAN:
                if (arriving == 0) phase <= UPDATE;
                else if (!arriving[0] || free) begin
                    arriving <= arriving >> 1;
                    axon <= axon + 16'd1;
                end
                UPDATE:
                if (update) told[layer] <= 1;
                else if (told[layer] && free) begin
                    told <= 0;
                    axon <= 0;
                    phase <= SCAN;
                    layer <= last_layer ? 0 : layer + 1'd1;
                    arriving <= core_spikes[WIDTH*layer +: WIDTH];
                    if (last_layer) begin
                        t <= t + 1'd1;
                        arriving <= frames[t + 1'd1];
                        if (t == STEPS - 1) phase <= SCORE;
                    end
                end
                SCORE: begin
                    told[0] <= 1;
                    if (told[0] && !readout_busy) begin
                        phase <= IDLE;
                        busy <= 0;
                        told <= 0;
                    end
                end
                default: phase <= IDLE;
            endcase
    end

    // --- cores ------------------------------------------------------------------------------------
    genvar l;
    generate
        for (l = 0; l < LAYERS; l = l + 1) begin : layers
            localparam N = NEURONS[32*l +: 32];
            wire [N-1:0] spikes;
            assign core_spikes[WIDTH*l +: WIDTH] = {{WIDTH{1'b0}}, spikes};
            core #(
                .LEARNING(LEARNING), .LAYER(l), .SOURCES(SOURCES[32*l +: 32]), .NEURONS(N),
                .DU(DU[32*l +: 32]), .DV(DV[32*l +: 32]), .VTH_MANT(VTH_MANT[32*l +: 32]),
                .BIAS_EXP(BIAS_EXP[32*l +: 32]), .SHIFT(CURRENT_SHIFT[32*l +: 32]),
                .WEIGHT_BITS(WEIGHT_BITS[32*l +: 32]), .SCALE(SCALE[32*l +: 32]),
                .ROW_BLOCKS(ROW_BLOCKS[32*l +: 32]), .ROUNDING_BLOCKS(ROUNDING_BLOCKS[32*l +: 32]),
                .FRACTION_BITS(FRACTION_BITS), .RANK(RANK), .MOMENTUM_BITS(MOMENTUM_BITS),
                .SUM_BITS(SUM_BITS), .RATE_BITS(RATE_BITS), .SEED(SEED)
            ) core (
                .clk(clk),
                .reset(reset),
                .go(phase == TELL ? !told[l] : layer == l && (hand_over || update)),
                .command(core_command),
                .axon({16'd0, axon}),
                .noisy(noisy),
                .minus(minus),
                .pair(pair),
                .generation(generation),
                .coefficient(coefficient),
                .rate(rates[RATE_BITS*l +: RATE_BITS]),
                .busy(core_busy[l]),
                .spikes(spikes),
                .updated(updated[l]),
                .updated_lane(updated_lane[16*l +: 16]),
                .updated_v(updated_v[24*l +: 24]),
                .updated_spike(updated_spike[l]),
                .total(totals[64*l +: 64])
            );
        end
    endgenerate

    // --- what the last layer's membranes, or its spikes, add up to, and what that is worth -----------
    wire [15:0] wanted;
    wire [15:0] scored_lane = updated_lane[16*(LAYERS-1) +: 16];
    wire signed [31:0] scored_v = $signed(updated_v[24*(LAYERS-1) +: 24]);
    wire signed [31:0] added = MEMBRANE ? scored_v : {31'd0, updated_spike[LAYERS-1]};
    always @(posedge clk)
        if (updated[LAYERS-1]) scores[scored_lane] <= (t == 0 ? 0 : scores[scored_lane]) + added;

    readout #(CLASSES, READOUT_MULTIPLIER, READOUT_SHIFT) readout (
        .clk(clk),
        .reset(reset),
        .go(phase == SCORE && !told[0]),
        .label(label),
        .lane(wanted),
        .score(scores[wanted]),
        .busy(readout_busy),
        .value(value)
    );
endmodule
