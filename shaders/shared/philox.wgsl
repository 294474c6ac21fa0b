// philox — counter-based random words: Philox4x32-10 (Salmon et al. 2011, §3).
//
// A pure function of key and counter, so that backward recomputes what forward drew and nothing is stored.
// WGSL has no 32×32→64 multiplication; the high word is put together from 16-bit halves.

fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xFFFFu;
    let a_high = a >> 16u;
    let b_low = b & 0xFFFFu;
    let b_high = b >> 16u;
    let low = a_low * b_low;
    let middle = a_high * b_low + (low >> 16u);
    let cross = a_low * b_high + (middle & 0xFFFFu);
    return a_high * b_high + (middle >> 16u) + (cross >> 16u);
}

// Four random words for `counter` under `key`.
fn philox(counter_in: vec4u, key_in: vec2u) -> vec4u {
    var counter = counter_in;
    var key = key_in;
    for (var round = 0u; round < 10u; round++) {
        counter = vec4u(
            multiply_high(0xCD9E8D57u, counter.z) ^ counter.y ^ key.x,
            0xCD9E8D57u * counter.z,
            multiply_high(0xD2511F53u, counter.x) ^ counter.w ^ key.y,
            0xD2511F53u * counter.x,
        );
        key += vec2u(0x9E3779B9u, 0xBB67AE85u);
    }
    return counter;
}
