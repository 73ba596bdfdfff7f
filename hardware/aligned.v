// Event-aligned perturbation of a hidden layer, and the credit that the readout's errors give its neurons.
//
//     STEP     without noise: its sum, and whether v is within WINDOW of the threshold, are kept for the step;
//              as a member (`noisy`): the kept sum, and noise of ±SCALE where v was near the threshold
//     CLEAR    the traces of the run before are kept
//     DRAW     the noise of a pair in step `t`, a bit a neuron
//     FEEDBACK feedback error of neuron `feedback_neuron` = sum over classes of error * weight
//     CREDIT   credit = feedback error * (trace of +noise - trace of -noise) / 2^5, no further than ±LARGEST
//     TERM     term of step `t` = sum over the pairs of credit * noise
//     ADD      increments = the terms, for every spike of a source in step `t`; ADD_BIAS: once a step
//
// The members of a pair are run one after another, first +noise, then -noise, and the update of all pairs that
// saw a sample is one more pass over its spikes.
module aligned #(
    parameter NEURONS = 1,
    parameter CLASSES = 1,
    parameter STEPS = 1,
    parameter STEP_BITS = 1,
    parameter COUNT_BITS = 1,
    parameter ADDERS = 1,                // terms that are read in a clock
    parameter INPUT_BITS = 16,           // of a sum of weights
    parameter signed [31:0] SCALE = 0,   // what noise 1 adds to u
    parameter WINDOW = 0,                // 0: noise acts everywhere
    parameter VTH_MANT = 0,
    parameter WEIGHT_BITS = 8,
    parameter TRACE_BITS = 8,
    parameter signed [15:0] LARGEST = 1,
    parameter DU = 4095,                 // decays of the readout
    parameter DV = 0,
    parameter SUM_BITS = 33
) (
    input  wire                         clk,
    input  wire                         active,
    input  wire [3:0]                   op,
    input  wire [COUNT_BITS-1:0]        lane,
    input  wire [COUNT_BITS-1:0]        feedback_neuron,
    input  wire [STEP_BITS-1:0]         t,
    input  wire                         noisy,
    input  wire                         take,        // DRAW: `block` is the one that was asked for
    input  wire [127:0]                 block,
    input  wire signed [INPUT_BITS-1:0] sum,         // what arrived in this step
    input  wire signed [23:0]           level,       // v before the reset
    input  wire                         spike,
    input  wire                         first_class,
    input  wire signed [7:0]            error,
    input  wire signed [WEIGHT_BITS-1:0] weight,     // from neuron `feedback_neuron` to the class
    output wire [15:0]                  stream,
    output wire [31:0]                  block_index,
    output wire                         drawn,
    output wire signed [INPUT_BITS-1:0] current_sum, // STEP: of the sum that acts
    output wire signed [31:0]           noise,       // of the pair's +noise member
    output wire                         near,        // STEP without noise: is v near its threshold?
    output wire signed [15:0]           credit,
    output wire [TRACE_BITS-1:0]        trace_value,
    output wire [ADDERS*SUM_BITS-1:0]   increments,  // of `lane` and its neighbours
    output wire signed [SUM_BITS-1:0]   increment    // of `lane`
);
    `include "ops.vh"
    localparam [15:0] ALIGNED_STREAM = 9;
    localparam AT_BITS = NEURONS > 1 ? $clog2(NEURONS) : 1;
    localparam BLOCKS = (NEURONS + 127) / 128;
    localparam PLACE_BITS = $clog2(BLOCKS + 1);
    localparam FEEDBACK_BITS = 8 + WEIGHT_BITS + $clog2(CLASSES + 1);
    localparam PRODUCT_BITS = FEEDBACK_BITS + TRACE_BITS + 1;
    localparam MOMENTS = 1 << (STEP_BITS + AT_BITS);
    localparam signed [31:0] THRESHOLD = VTH_MANT << 6;

    wire step = active && op == STEP;
    wire shared = step && !noisy;  // the run without noise, which the members of all pairs share
    wire [COUNT_BITS-1:0] neuron = op == FEEDBACK ? feedback_neuron : lane;
    wire [AT_BITS-1:0] at = neuron[AT_BITS-1:0];
    wire [STEP_BITS+AT_BITS-1:0] moment = {t, at};

    // --- noise of a step -----------------------------------------------------------------------------
    reg [PLACE_BITS-1:0] place;
    reg [31:0]           base;  // first block of the step: steps are drawn in their order
    wire                 positive;
    bits #(NEURONS, COUNT_BITS, PLACE_BITS) drawn_bits (
        .clk(clk), .write(take), .place(place), .block(block), .number(lane), .value(positive)
    );
    wire [31:0] start = t == 0 ? 32'd0 : base;
    assign stream = ALIGNED_STREAM;
    assign block_index = start + 32'(place);
    assign drawn = place == PLACE_BITS'(BLOCKS - 1);
    always @(posedge clk)
        if (!active) place <= 0;
        else if (take) begin
            place <= place + 1'd1;
            if (drawn) base <= start + BLOCKS;
        end

    // --- what the run without noise leaves for the members -------------------------------------------
    reg signed [INPUT_BITS-1:0] sums     [0:MOMENTS-1];
    reg                         openings [0:MOMENTS-1];
    wire signed [31:0] distance = 32'(level) - THRESHOLD;
    wire open = openings[moment];
    assign near = WINDOW == 0 || (distance <= WINDOW && distance >= -WINDOW);
    assign current_sum = noisy ? sums[moment] : sum;
    assign noise = !open ? 32'sd0 : positive ? SCALE : -SCALE;
    always @(posedge clk)
        if (shared) begin
            sums[moment] <= sum;
            openings[moment] <= near;
        end

    // --- traces, feedback error, credit --------------------------------------------------------------
    reg [TRACE_BITS-1:0]           kept      [0:NEURONS-1];
    reg signed [FEEDBACK_BITS-1:0] feedbacks [0:NEURONS-1];
    reg signed [15:0]              credits   [0:NEURONS-1];
    trace #(NEURONS, COUNT_BITS, DU, DV, TRACE_BITS) traces (
        .clk(clk), .update(step), .first(t == 0), .spike(spike), .neuron(neuron), .value(trace_value)
    );
    wire signed [WEIGHT_BITS+7:0] weighted_error;
    signed_multiply #(8, WEIGHT_BITS) feedback_error (.a(error), .b(weight), .product(weighted_error));
    wire signed [FEEDBACK_BITS-1:0] so_far = first_class ? {FEEDBACK_BITS{1'b0}} : feedbacks[at];

    wire signed [TRACE_BITS:0] change = $signed({1'b0, kept[at]}) - $signed({1'b0, trace_value});
    wire signed [PRODUCT_BITS-1:0] product;
    signed_multiply #(FEEDBACK_BITS, TRACE_BITS + 1) credit_product (
        .a(feedbacks[at]), .b(change), .product(product)
    );
    wire signed [PRODUCT_BITS-1:0] shifted = product >>> 5;
    wire signed [PRODUCT_BITS+15:0] exact = (PRODUCT_BITS + 16)'(shifted);
    wire signed [PRODUCT_BITS+15:0] most = (PRODUCT_BITS + 16)'(LARGEST);
    assign credit = exact > most ? LARGEST : exact < -most ? -LARGEST : exact[15:0];
    always @(posedge clk)
        if (active) begin
            if (op == CLEAR) kept[at] <= trace_value;
            if (op == FEEDBACK) feedbacks[at] <= so_far + FEEDBACK_BITS'(weighted_error);
            if (op == CREDIT) credits[at] <= credit;
        end

    // --- terms ---------------------------------------------------------------------------------------
    localparam ADDER_BITS = $clog2(ADDERS);
    localparam GROUP_BITS = AT_BITS > ADDER_BITS ? AT_BITS - ADDER_BITS : 1;
    reg [16*ADDERS-1:0] terms [0:(1 << (STEP_BITS + GROUP_BITS))-1];
    wire [STEP_BITS+GROUP_BITS-1:0] row = {t, GROUP_BITS'(at >> ADDER_BITS)};
    wire [AT_BITS-1:0] beside = at & AT_BITS'(ADDERS - 1);
    wire [16*ADDERS-1:0] held = terms[row];
    wire signed [15:0] term = held[16*beside +: 16];
    assign increment = SUM_BITS'(term);
    genvar i;
    generate
        for (i = 0; i < ADDERS; i = i + 1) begin : adders
            assign increments[SUM_BITS*i +: SUM_BITS] = SUM_BITS'($signed(held[16*i +: 16]));
        end
    endgenerate
    always @(posedge clk)
        if (shared) terms[row][16*beside +: 16] <= 0;
        else if (active && op == TERM && open)
            terms[row][16*beside +: 16] <= positive ? term + credits[at] : term - credits[at];
    wire unused = &{1'b0, neuron, STEPS[0]};
endmodule
