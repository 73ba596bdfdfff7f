// One time step of a LIF neuron with a synaptic current (CUBA). Combinational; the core walks its neurons through it.
//
//     u'    = saturate(D(u, DU + 1) + current)
//     level = saturate(D(v, DV) + u' + bias)
//     spike = level > VTH_MANT << 6             strictly greater
//     v'    = spike ? 0 : level
module lif #(
    parameter DU = 4095,
    parameter DV = 0,
    parameter VTH_MANT = 0
) (
    input  wire signed [23:0] u,
    input  wire signed [23:0] v,
    input  wire signed [31:0] current,  // |current| < 2^31 - 2^24: neurosim checks it where it exports
    input  wire signed [31:0] bias,     // 13-bit mantissa << 0..7
    output wire signed [23:0] next_u,
    output wire signed [23:0] next_v,
    output wire signed [23:0] level,    // v before the reset
    output wire               spike
);
    localparam signed [31:0] LIMIT = 8388607;
    localparam signed [31:0] THRESHOLD = VTH_MANT << 6;

    function signed [23:0] saturate(input signed [31:0] x);
        saturate = x > LIMIT ? LIMIT[23:0] : x < -LIMIT ? -LIMIT[23:0] : x[23:0];
    endfunction

    wire signed [23:0] kept_u, kept_v;
    decay #(13'(DU + 1)) of_u (.x(u), .kept(kept_u));
    decay #(13'(DV)) of_v (.x(v), .kept(kept_v));

    assign next_u = saturate(32'(kept_u) + current);
    assign level  = saturate(32'(kept_v) + 32'(next_u) + bias);
    assign spike  = 32'(level) > THRESHOLD;
    assign next_v = spike ? 24'sd0 : level;
endmodule
