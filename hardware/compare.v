// Comparison of the numbers that come, one a clock, with a recorded memory image: row by row, field by field.
//
// `finish` prints one line: NAME with the number of equal values, or what differs. With STOP defined the first
// difference ends the simulation. Simulation only.
module compare #(
    parameter FILE = "",
    parameter NAME = FILE,
    parameter ROWS = 1,
    parameter FIELDS = 1,
    parameter BITS = 1,
    parameter SIGNED = 0,
    parameter ROW_BITS = FIELDS * BITS,  // less than FIELDS * BITS: the last field of a row is not full
    parameter REST = 0                   // 1: values after the last row are not recorded
) (
    input wire            clk,
    input wire            valid,
    input wire [BITS-1:0] found,
    input wire            finish
);
    reg [FIELDS*BITS-1:0] image [0:ROWS-1];
    initial $readmemh({FILE, ".mem"}, image);
    localparam [FIELDS*BITS-1:0] USED = (FIELDS*BITS)'({ROW_BITS{1'b1}});

    integer row = 0, field = 0, wrong = 0, extra = 0, first_row = 0, first_field = 0;
    integer count = ROWS * FIELDS;
    reg [BITS-1:0] first_found, first_wanted, wanted, kept;

    // Only where a value comes: rows are wide, and simulators work out what stands outside in every clock.
    always @(posedge clk) begin
        if (valid && row == ROWS) extra <= extra + 1;
        else if (valid) begin
            wanted = image[row][BITS*field +: BITS];
            kept = found & USED[BITS*field +: BITS];
            if (kept !== wanted) begin
                wrong <= wrong + 1;
                if (wrong == 0) begin
                    first_row <= row;
                    first_field <= field;
                    first_found <= kept;
                    first_wanted <= wanted;
                end
`ifdef STOP
                $display("%0s: a value differs", NAME);
                $finish;
`endif
            end
            field <= field == FIELDS - 1 ? 0 : field + 1;
            if (field == FIELDS - 1) row <= row + 1;
        end
        if (finish) begin
            if (wrong > 0) begin
                $write("%0s: %0d of %0d differ, first at [%0d, %0d]: ", NAME, wrong, count, first_row, first_field);
                if (SIGNED != 0) $display("%0d, recorded is %0d", $signed(first_found), $signed(first_wanted));
                else $display("%0d, recorded is %0d", first_found, first_wanted);
            end else if (row != ROWS)
                $display("%0s: %0d of %0d values differ: they never came", NAME, count - row * FIELDS - field, count);
            else if (extra > 0 && REST == 0) $display("%0s: %0d of %0d differ: too many came", NAME, extra, count);
            else $display("%0s: %0d values equal", NAME, count);
        end
    end
endmodule
