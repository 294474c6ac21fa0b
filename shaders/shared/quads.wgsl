// quads — a lane per four neighbouring elements, for kernels that treat every element alike.
//
// Buffers hold whole quads: what lies past the last element is arbitrary and never read as data.

const LANES: u32 = 256u;

// The quad of this lane; workgroups are spread over x and y.
fn quad_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * LANES + lane;
}

fn quads_of(elements: u32) -> u32 {
    return (elements + 3u) / 4u;
}

// Which of the four elements of quad `i` are not past the last one.
fn inside(i: u32, elements: u32) -> vec4<bool> {
    return 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(elements);
}
