// row_share — the lanes that share a row, and what they compute together.
//
// ROW_LANES of the LANES of a workgroup, which the shader that uses it declares: many where lanes run at once; one on an
// emulated GPU, where a barrier costs more than a walk along the row. Call the sums only from uniform control flow: a lane
// whose row lies past the end brings what changes nothing.

override ROW_LANES: u32 = 64u;  // a power of two, at most LANES

var<workgroup> lane_values: array<f32, LANES>;

// The row that a lane has a part of, counted over all workgroups.
fn row_at(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * (LANES / ROW_LANES) + lane / ROW_LANES;
}

// Σ over the lanes of a row of `value`, in tree order; each of them gets it.
fn sum_row(lane: u32, value: f32) -> f32 {
    if ROW_LANES == 1u {
        return value;
    }
    let place = lane % ROW_LANES;
    workgroupBarrier();  // until all have read what was there
    lane_values[lane] = value;
    for (var width = ROW_LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if place < width {
            lane_values[lane] += lane_values[lane + width];
        }
    }
    workgroupBarrier();
    return lane_values[lane - place];
}

// max over the lanes of a row of `value`; each of them gets it.
fn max_row(lane: u32, value: f32) -> f32 {
    if ROW_LANES == 1u {
        return value;
    }
    let place = lane % ROW_LANES;
    workgroupBarrier();
    lane_values[lane] = value;
    for (var width = ROW_LANES / 2u; width > 0u; width /= 2u) {
        workgroupBarrier();
        if place < width {
            lane_values[lane] = max(lane_values[lane], lane_values[lane + width]);
        }
    }
    workgroupBarrier();
    return lane_values[lane - place];
}
