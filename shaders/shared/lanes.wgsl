// lanes — what the 256 lanes of one workgroup compute together.
//
// Call only from uniform control flow: every lane of the workgroup must arrive.

const LANES: u32 = 256u;

var<workgroup> lane_values: array<f32, LANES>;

// Σ over lanes of `value`; every lane gets the total. Tree order, so the result is reproducible.
fn sum_lanes(lane: u32, value: f32) -> f32 {
    lane_values[lane] = value;
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if lane < width {
            lane_values[lane] += lane_values[lane + width];
        }
    }
    return workgroupUniformLoad(&lane_values[0]);
}

// max over lanes of `value`; every lane gets it.
fn max_lanes(lane: u32, value: f32) -> f32 {
    lane_values[lane] = value;
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if lane < width {
            lane_values[lane] = max(lane_values[lane], lane_values[lane + width]);
        }
    }
    return workgroupUniformLoad(&lane_values[0]);
}
