// Test bench: the numbers of a folder of memory images through the chip, every number compared.
//
// Whatever the chip writes passes its ports `value`, `error` and `watch_value`, so that the same bench runs on
// the Verilog and on a netlist made of it. It ends with a line for each image and "finished".
module bench #(
    parameter LEARNING = 0  // 1: the generation of learning too
);
    `include "params.vh"
    `include "vectors.vh"
    `include "ops.vh"
    localparam STEP_BITS = STEPS > 1 ? $clog2(STEPS) : 1;
    localparam LAST = LAYERS - 1;
    localparam EACH = PAIRS / GROUPS;
    localparam USED_RULE = LEARNING != 0 ? RULE : FIXED;
    localparam LEARNED_SAMPLES = GROUPS * BATCH;
    localparam TRACED = NEURONS[31:0];

    reg  clk = 0;
    reg  reset = 1, go = 0, frame_write = 0, noisy = 0, minus = 0;
    reg  [3:0] command = 0;
    reg  [1:0] part = 0;
    reg  [STEP_BITS-1:0] frame_step = 0;
    reg  [INPUTS-1:0] frame = 0;
    reg  [15:0] label = 0;
    reg  [31:0] pair = 0, generation = GENERATION;
    reg  signed [7:0] coefficient = 0;
    reg  [RATE_BITS*LAYERS-1:0] rates = 0;
    wire busy, error_valid;
    wire signed [63:0] value;
    wire signed [7:0] error;
    wire [64*LAYERS-1:0] totals;
    wire [LAYERS-1:0] watch_valid;
    wire [4*LAYERS-1:0] watch_op;
    wire [128*LAYERS-1:0] watch_value;
`ifdef NETLIST
    chip chip (
`else
    chip #(.LEARNING(LEARNING)) chip (
`endif
        .clk(clk), .reset(reset), .go(go), .command(command), .part(part), .frame_write(frame_write),
        .frame_step(frame_step), .frame(frame), .label(label), .noisy(noisy), .minus(minus), .pair(pair),
        .generation(generation), .coefficient(coefficient), .rates(rates), .busy(busy), .value(value),
        .totals(totals), .error_valid(error_valid), .error(error), .watch_valid(watch_valid),
        .watch_op(watch_op), .watch_value(watch_value)
    );
    always #1 clk = !clk;

    // --- commands, given where the clock falls ----------------------------------------------------------
    integer clocks = 0, begun = 0, wrong_totals = 0;
    reg  inferred = 0, learned = 0;
    always @(posedge clk) clocks <= clocks + 1;
    reg  finish = 0;
    reg  inferring = 0, unperturbed = 0, first_draw = 0;

    task do_command(input [3:0] what);
        begin
            @(negedge clk);
            command = what;
            go = 1;
            @(negedge clk);
            go = 0;
            while (busy) @(negedge clk);
        end
    endtask

    reg [INPUTS-1:0] stimulus [0:SAMPLES*STEPS-1];
    integer t;
    task show(input [INPUTS-1:0] row, input integer step);
        begin
            @(negedge clk);
            frame_write = 1;
            frame_step = STEP_BITS'(step);
            frame = row;
            @(negedge clk);
            frame_write = 0;
        end
    endtask

    // a number that the bench itself has to hand over
    reg [63:0] given = 0;
    reg given_valid = 0;
    task give(input [63:0] number);
        begin
            @(negedge clk);
            given = number;
            given_valid = 1;
            @(negedge clk);
            given_valid = 0;
        end
    endtask

    integer sample;
    task infer;
        begin
            inferring = 1;
            for (sample = 0; sample < SAMPLES; sample = sample + 1) begin
                for (t = 0; t < STEPS; t = t + 1) show(stimulus[sample*STEPS + t], t);
                do_command(RUN);
            end
            inferring = 0;
            begun = clocks;
            $display("inference: %0d samples, %0d clocks a sample", SAMPLES, clocks / SAMPLES);
        end
    endtask

    genvar l;
    generate
        for (l = 0; l < LAYERS; l = l + 1) begin : layers
            localparam N = NEURONS[32*l +: 32];
            wire stepped = inferring && watch_valid[l] && watch_op[4*l +: 4] == STEP;
            compare #(
                .FILE({"spikes_L", 8'h30 + 8'(l)}), .ROWS(SAMPLES * STEPS), .FIELDS(N)
            ) spikes (.clk(clk), .valid(stepped), .found(watch_value[128*l + 24]), .finish(finish));
            compare #(
                .FILE({"v_L", 8'h30 + 8'(l)}), .ROWS(SAMPLES * STEPS), .FIELDS(N), .BITS(24), .SIGNED(1)
            ) v (.clk(clk), .valid(stepped), .found(watch_value[128*l +: 24]), .finish(finish));
        end

        if (USED_RULE != FIXED) begin : learns
            reg [INPUTS-1:0] frames [0:LEARNED_SAMPLES*STEPS-1];
            reg [15:0] labels [0:LEARNED_SAMPLES-1];
            reg [63*LAYERS-1:0] wanted_totals [0:1];
            reg [RATE_BITS*LAYERS-1:0] moves [0:1];
            initial begin
                $readmemh("learning_stim.mem", frames);
                $readmemh("learning_labels.mem", labels);
                $readmemh("totals.mem", wanted_totals);
                $readmemh("rates.mem", moves);
            end
            integer layer, group, place, each, s;

            task present_sample(input integer which);
                begin
                    label = labels[which];
                    for (s = 0; s < STEPS; s = s + 1) show(frames[which*STEPS + s], s);
                end
            endtask

            // MEASURE and MOVE a part; the totals of the copy of the outgoing synapses are the readout's
            task settle(input [1:0] which);
                begin
                    part = which;
                    do_command(MEASURE);
                    for (layer = 0; layer < LAYERS; layer = layer + 1)
                        if (which != OUTGOING
                                ? totals[64*layer +: 64] !== {1'b0, wanted_totals[which[0]][63*layer +: 63]}
                                : layer == 0 && totals[63:0] !== {1'b0, wanted_totals[0][63*LAST +: 63]})
                            wrong_totals = wrong_totals + 1;
                    rates = moves[which[0]];
                    do_command(MOVE);
                    part = SYNAPSES;
                end
            endtask

            for (l = 0; l < LAYERS; l = l + 1) begin : ends
                localparam N = NEURONS[32*l +: 32];
                localparam J = SOURCES[32*l +: 32];
                localparam STATE = WEIGHT_BITS[32*l +: 32] + FRACTION_BITS;
                localparam signed [31:0] HALF = (1 << FRACTION_BITS) >> 1;
                wire moved = watch_valid[l] && watch_op[4*l +: 4] == MOVE && part == SYNAPSES;
                wire signed [31:0] state = 32'($signed(watch_value[128*l +: STATE]));
                wire [7:0] weight = 8'((state + HALF) >>> FRACTION_BITS);
                compare #(
                    .FILE({"new_state_L", 8'h30 + 8'(l)}), .ROWS(J), .FIELDS(N), .BITS(STATE), .SIGNED(1)
                ) states (.clk(clk), .valid(moved), .found(state[STATE-1:0]), .finish(finish));
                compare #(
                    .FILE({"new_weights_L", 8'h30 + 8'(l)}), .ROWS(J), .FIELDS(N), .BITS(8), .SIGNED(1)
                ) weights (.clk(clk), .valid(moved), .found(weight), .finish(finish));
                if (MOMENTUM_BITS > 0) begin : kept
                    compare #(
                        .FILE({"new_momentum_L", 8'h30 + 8'(l)}), .ROWS(J), .FIELDS(N), .BITS(SUM_BITS),
                        .SIGNED(1)
                    ) momentum (
                        .clk(clk),
                        .valid(watch_valid[l] && watch_op[4*l +: 4] == MEASURE && part == SYNAPSES),
                        .found(watch_value[128*l +: SUM_BITS]), .finish(finish)
                    );
                end
            end

            if (USED_RULE == LOW_RANK) begin : low_rank
                reg [7:0] coefficients [0:PAIRS-1];
                initial $readmemh("coefficients.mem", coefficients);
                reg signed [63:0] fitness [0:1];
                compare #(.FILE("fitness"), .ROWS(PAIRS), .FIELDS(2), .BITS(48), .SIGNED(1)) fitnesses (
                    .clk(clk), .valid(given_valid), .found(given[47:0]), .finish(finish)
                );
                for (l = 0; l < LAYERS; l = l + 1) begin : noise
                    localparam N = NEURONS[32*l +: 32];
                    localparam J = SOURCES[32*l +: 32];
                    localparam A = (N + 127) / 128, B = (J + 127) / 128;
                    integer blocks = 0;
                    wire drawn = first_draw && watch_valid[l] && watch_op[4*l +: 4] == DRAW;
                    always @(posedge clk)
                        if (drawn) blocks <= blocks == RANK * (A + B) - 1 ? 0 : blocks + 1;
                    compare #(
                        .FILE({"perturbation_A_L", 8'h30 + 8'(l)}), .ROWS(SHOWN_PAIRS * RANK), .FIELDS(A),
                        .BITS(128), .ROW_BITS(N), .REST(1)
                    ) a (
                        .clk(clk), .valid(drawn && blocks < RANK * A), .found(watch_value[128*l +: 128]),
                        .finish(finish)
                    );
                    compare #(
                        .FILE({"perturbation_B_L", 8'h30 + 8'(l)}), .ROWS(SHOWN_PAIRS * RANK), .FIELDS(B),
                        .BITS(128), .ROW_BITS(J), .REST(1)
                    ) b (
                        .clk(clk), .valid(drawn && blocks >= RANK * A), .found(watch_value[128*l +: 128]),
                        .finish(finish)
                    );
                end

                integer which;
                task learn;
                    begin
                        for (which = 0; which < PAIRS; which = which + 1) begin
                            pair = which;
                            first_draw = 1;
                            do_command(DRAW);
                            first_draw = 0;
                            fitness[0] = 0;
                            fitness[1] = 0;
                            noisy = 1;
                            for (place = 0; place < BATCH; place = place + 1) begin
                                present_sample(which / EACH * BATCH + place);
                                for (each = 0; each < 2; each = each + 1) begin
                                    minus = each[0];
                                    do_command(RUN);
                                    fitness[each] = fitness[each] + value;
                                end
                            end
                            noisy = 0;
                            minus = 0;
                            give(fitness[0]);
                            give(fitness[1]);
                        end
                        do_command(FADE);
                        for (which = 0; which < PAIRS; which = which + 1)
                            if (coefficients[which] != 0) begin
                                pair = which;
                                do_command(DRAW);
                                coefficient = coefficients[which];
                                do_command(ACCUMULATE);
                            end
                        settle(SYNAPSES);
                    end
                endtask
                initial begin
                    wait (inferred);
                    learn;
                    learned = 1;
                end
            end else begin : by_error
                localparam A = (TRACED + 127) / 128;
                compare #(.FILE("fitness"), .ROWS(GROUPS), .BITS(48), .SIGNED(1)) fitnesses (
                    .clk(clk), .valid(given_valid), .found(given[47:0]), .finish(finish)
                );
                compare #(.FILE("errors"), .ROWS(GROUPS), .FIELDS(CLASSES), .BITS(8), .SIGNED(1)) errors (
                    .clk(clk), .valid(error_valid), .found(error), .finish(finish)
                );
                compare #(.FILE("near"), .ROWS(GROUPS * STEPS), .FIELDS(TRACED)) near (
                    .clk(clk), .valid(unperturbed && watch_valid[0] && watch_op[3:0] == STEP),
                    .found(watch_value[25]), .finish(finish)
                );
                compare #(
                    .FILE("noise"), .ROWS(SHOWN_PAIRS * STEPS), .FIELDS(A), .BITS(128), .ROW_BITS(TRACED), .REST(1)
                ) noise (
                    .clk(clk), .valid(first_draw && watch_valid[0] && watch_op[3:0] == DRAW),
                    .found(watch_value[127:0]), .finish(finish)
                );
                compare #(.FILE("credits"), .ROWS(PAIRS), .FIELDS(TRACED), .BITS(16), .SIGNED(1)) credits (
                    .clk(clk), .valid(watch_valid[0] && watch_op[3:0] == CREDIT), .found(watch_value[15:0]),
                    .finish(finish)
                );
                for (l = 0; l < LAYERS; l = l + 1) begin : both
                    // the traces come again for every class
                    integer compared = 0;
                    wire feedback = watch_valid[l] && watch_op[4*l +: 4] == FEEDBACK;
                    always @(posedge clk) compared <= unperturbed ? 0 : feedback ? compared + 1 : compared;
                    compare #(
                        .FILE("traces"), .NAME({"traces_L", 8'h30 + 8'(l)}), .ROWS(GROUPS),
                        .FIELDS(TRACED), .BITS(TRACE_BITS)
                    ) traces (
                        .clk(clk), .valid(feedback && compared < TRACED), .found(watch_value[128*l +: TRACE_BITS]),
                        .finish(finish)
                    );
                    compare #(
                        .FILE({"new_bias_state_L", 8'h30 + 8'(l)}), .ROWS(1), .FIELDS(NEURONS[32*l +: 32]), .BITS(21),
                        .SIGNED(1)
                    ) biases (
                        .clk(clk), .valid(watch_valid[l] && watch_op[4*l +: 4] == MOVE && part == BIASES),
                        .found(watch_value[128*l +: 21]), .finish(finish)
                    );
                end
                localparam COPY = WEIGHT_BITS[32*LAST +: 32] + FRACTION_BITS;
                wire of_copy = watch_valid[0] && part == OUTGOING;
                compare #(
                    .FILE({"new_state_L", 8'h30 + 8'(LAST)}), .NAME("new_state of the copy"), .ROWS(TRACED),
                    .FIELDS(CLASSES), .BITS(COPY), .SIGNED(1)
                ) copies (
                    .clk(clk), .valid(of_copy && watch_op[3:0] == MOVE), .found(watch_value[COPY-1:0]),
                    .finish(finish)
                );
                if (MOMENTUM_BITS > 0) begin : kept
                    compare #(
                        .FILE({"new_momentum_L", 8'h30 + 8'(LAST)}), .NAME("new_momentum of the copy"),
                        .ROWS(TRACED), .FIELDS(CLASSES), .BITS(SUM_BITS), .SIGNED(1)
                    ) momentum (
                        .clk(clk), .valid(of_copy && watch_op[3:0] == MEASURE), .found(watch_value[SUM_BITS-1:0]),
                        .finish(finish)
                    );
                end

                task perturb(input integer which, input sign);
                    begin
                        pair = which;
                        minus = sign;
                        noisy = 1;
                        first_draw = !sign;
                        do_command(PERTURB);
                        first_draw = 0;
                        noisy = 0;
                    end
                endtask

                integer which;
                task learn;
                    begin
                        for (each = 0; each < 3; each = each + 1) begin
                            part = each[1:0];
                            do_command(FADE);
                        end
                        part = SYNAPSES;
                        for (group = 0; group < GROUPS; group = group + 1) begin
                            present_sample(group);
                            minus = 0;
                            unperturbed = 1;
                            do_command(RUN);
                            unperturbed = 0;
                            give(value);
                            do_command(FEEDBACK);
                            for (which = group * EACH; which < (group + 1) * EACH; which = which + 1) begin
                                perturb(which, 0);
                                perturb(which, 1);
                            end
                            do_command(REPLAY);
                        end
                        settle(SYNAPSES);
                        settle(BIASES);
                        settle(OUTGOING);
                    end
                endtask
                initial begin
                    wait (inferred);
                    learn;
                    learned = 1;
                end
            end
        end
    endgenerate

    initial begin
        $readmemh("stim.mem", stimulus);
        repeat (3) @(negedge clk);
        reset = 0;
        infer;
        inferred = 1;
        if (USED_RULE != FIXED) begin
            wait (learned);
            $display("generation: %0d clocks", clocks - begun);
            if (wrong_totals == 0) $display("totals: %0d values equal", LAYERS);
            else $display("totals: %0d of %0d differ", wrong_totals, LAYERS);
        end
        @(negedge clk);
        finish = 1;
        @(negedge clk);
        finish = 0;
        $display("finished");
        $finish;
    end
endmodule
