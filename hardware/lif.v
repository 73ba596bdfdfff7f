// What does a neuron do in one step? Combinational; the core walks its neurons through it.
//
//     u' = saturate(D(u, DU + 1) + current)
//     v' = saturate(D(v, DV) + u' + bias)       then 0 where it spikes
//     spike = v' > VTH_MANT << 6                strictly greater
module lif #(
    parameter DU = 4095,
    parameter DV = 0,
    parameter VTH_MANT = 0
) (
    input  wire signed [23:0] u,
    input  wire signed [23:0] v,
    input  wire signed [31:0] current,  // |current| < 2^30
    input  wire signed [19:0] bias,     // 13-bit mantissa << 0..7
    output wire signed [23:0] next_u,
    output wire signed [23:0] next_v,
    output wire               spike
);
    localparam signed [31:0] LIMIT = 8388607;
    localparam signed [31:0] THRESHOLD = VTH_MANT << 6;

    function signed [23:0] saturate(input signed [31:0] x);
        saturate = x > LIMIT ? LIMIT[23:0] : x < -LIMIT ? -LIMIT[23:0] : x[23:0];
    endfunction

    wire signed [23:0] kept_u, kept_v;
    decay #(DU + 1) of_u (.x(u), .kept(kept_u));
    decay #(DV) of_v (.x(v), .kept(kept_v));

    wire signed [31:0] full_u = kept_u + current;
    assign next_u = saturate(full_u);
    wire signed [31:0] full_v = kept_v + next_u + bias;
    wire signed [31:0] level = saturate(full_v);
    assign spike  = level > THRESHOLD;
    assign next_v = spike ? 24'sd0 : level[23:0];
endmodule
