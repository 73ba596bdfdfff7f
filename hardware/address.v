// Address of a word in a memory of rows: row * GROUPS + column / WORD, of GROUPS words of WORD fields a row.
//
// GROUPS is a constant, so that the product is a sum of shifts: one shift alone for a power of two.
module address #(
    parameter ROWS = 1,
    parameter GROUPS = 1,
    parameter WORD = 1,  // a power of two
    parameter COUNT_BITS = 1,
    parameter BITS = ROWS * GROUPS > 1 ? $clog2(ROWS * GROUPS) : 1
) (
    input  wire [COUNT_BITS-1:0] row, column,
    output wire [BITS-1:0]       word
);
    function [31:0] times_groups(input [31:0] x);
        integer i;
        begin
            times_groups = 0;
            for (i = 0; i < 32; i = i + 1)
                if (GROUPS[i]) times_groups = times_groups + (x << i);
        end
    endfunction
    assign word = BITS'(times_groups(32'(row)) + (32'(column) >> $clog2(WORD)));
endmodule
