// row_lanes — four rows to a workgroup, 64 lanes to a row, and the sums along a row.
//
// Two barriers a sum: 64 values become 8, then each lane adds those 8. A tree would take seven.
// Call only from uniform control flow; a lane whose row lies past the end brings zeros.

const LANES: u32 = 256u;
const ROW_LANES: u32 = 64u;
const GROUP_ROWS: u32 = 4u;
const FAN_IN: u32 = 8u; // 64 = 8 · 8

var<workgroup> lane_values: array<vec2f, LANES>;
var<workgroup> fan_values: array<vec2f, 32>; // GROUP_ROWS · FAN_IN

// Σ over the 64 lanes of a row, component by component; every lane gets it. The order is fixed.
fn sum_row(lane: u32, value: vec2f) -> vec2f {
    lane_values[lane] = value;
    workgroupBarrier();
    let row_lane = lane % ROW_LANES;
    let fan_start = lane / ROW_LANES * FAN_IN;
    if row_lane < FAN_IN {
        let start = lane - row_lane + row_lane * FAN_IN;
        var sum = lane_values[start];
        for (var i = 1u; i < FAN_IN; i++) {
            sum += lane_values[start + i];
        }
        fan_values[fan_start + row_lane] = sum;
    }
    workgroupBarrier();
    var sum = fan_values[fan_start];
    for (var i = 1u; i < FAN_IN; i++) {
        sum += fan_values[fan_start + i];
    }
    return sum;
}
