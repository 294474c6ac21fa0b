// spread — mean and variance of a row in one read, as exact as in two.
//
// A few quads at a time have their own mean and the squares about it, made in registers, which are merged into those of
// what came before (Chan, Golub & LeVeque 1979, STAN-CS-79-773): no square is larger than it has to be.

const STEP: u32 = 4u;  // quads that are merged at once

fn sum_vec4(value: vec4f) -> f32 {
    return (value.x + value.y) + (value.z + value.w);
}

// Mean and Σ(h − mean)² of the first values of a row.
struct Spread {
    count: f32,
    mean: f32,
    squares: f32,
}

// The spread of what came before and of the next quads, of which there are `left`.
fn merge(before: Spread, next: array<vec4f, STEP>, left: u32) -> Spread {
    var values = next;
    var sum = vec4f();
    for (var i = 0u; i < STEP; i++) {
        sum += select(vec4f(0.0), values[i], i < left);
    }
    let count = f32(4u * min(left, STEP));
    let mean = sum_vec4(sum) / count;
    var squares = vec4f();
    for (var i = 0u; i < STEP; i++) {
        let centred = select(vec4f(0.0), values[i] - mean, i < left);
        squares += centred * centred;
    }
    let delta = mean - before.mean;
    let share = count / (before.count + count);
    return Spread(
        before.count + count,
        before.mean + delta * share,
        before.squares + sum_vec4(squares) + delta * delta * before.count * share,
    );
}
