//! Which barriers some lanes of a workgroup may miss: a hang, or values of the wrong moment.
//!
//! naga 30 accepts a barrier inside `if lane < 3u`. This is WGSL's uniformity analysis
//! (<https://www.w3.org/TR/WGSL/#uniformity>) over naga's tree, coarser in one respect: a local variable counts as
//! varying everywhere if it ever holds a value that varies. A value *varies* if it may differ between the lanes of
//! one workgroup; control flow varies where only some lanes may arrive.

use std::collections::{BTreeSet, HashSet};

use naga::{
    AddressSpace, Binding, Block, BuiltIn, Expression, Function, GlobalVariable, Handle,
    LocalVariable, Module, Span, Statement, StorageAccess,
};

/// Each barrier that not every lane may reach, as `entry point: line of the joined text: statement`.
///
/// # Panics
/// If `source` is no WGSL.
pub fn parted_barriers(source: &str) -> Vec<String> {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let mut places = Vec::new();
    for entry in &module.entry_points {
        let mut lint = Lint { module: &module, source, parted: BTreeSet::new() };
        let arguments = entry.function.arguments.iter();
        let varying = arguments.map(|argument| !is_uniform(argument.binding.as_ref()));
        lint.call(&entry.function, varying.collect(), false);
        for line in lint.parted {
            let statement = source.lines().nth(line - 1).unwrap_or_default().trim();
            places.push(format!("{}: {line}: {statement}", entry.name));
        }
    }
    places
}

/// Whether an argument of an entry point is the same for every lane of a workgroup.
fn is_uniform(binding: Option<&Binding>) -> bool {
    use BuiltIn::{NumSubgroups, NumWorkGroups, SubgroupSize, WorkGroupId, WorkGroupSize};
    let Some(Binding::BuiltIn(builtin)) = binding else { return false };
    matches!(builtin, WorkGroupId | NumWorkGroups | WorkGroupSize | NumSubgroups | SubgroupSize)
}

/// What holds for a whole entry point.
struct Lint<'a> {
    module: &'a Module,
    source: &'a str,
    /// Lines of barriers that some lanes may miss.
    parted: BTreeSet<usize>,
}

impl Lint<'_> {
    /// Walks `function` until nothing new varies; returns whether its result does.
    fn call(&mut self, function: &Function, arguments: Vec<bool>, parted: bool) -> bool {
        let (locals, calls) = (HashSet::new(), HashSet::new());
        let mut walk = Walk { lint: self, function, arguments, locals, calls, result: false };
        loop {
            let before = (walk.locals.len(), walk.calls.len());
            let varying = walk.varying();
            walk.block(&function.body, &varying, parted);
            if before == (walk.locals.len(), walk.calls.len()) {
                return walk.result;
            }
        }
    }
}

/// One function, under one assumption about its arguments.
struct Walk<'a, 'b> {
    lint: &'a mut Lint<'b>,
    function: &'a Function,
    arguments: Vec<bool>,
    /// Variables that hold values that vary.
    locals: HashSet<Handle<LocalVariable>>,
    /// Calls whose result varies.
    calls: HashSet<Handle<Expression>>,
    /// Whether what the function returns varies.
    result: bool,
}

/// Ways by which some lanes, and not all, may have left a block.
#[derive(Clone, Copy, Default)]
struct Exits {
    breaks: bool,
    continues: bool,
    returns: bool,
}

impl Exits {
    fn any(self) -> bool {
        self.breaks || self.continues || self.returns
    }

    fn or(self, other: Self) -> Self {
        Self {
            breaks: self.breaks || other.breaks,
            continues: self.continues || other.continues,
            returns: self.returns || other.returns,
        }
    }
}

impl Walk<'_, '_> {
    /// Whether each expression varies, by index; operands stand before what they are operands of.
    fn varying(&self) -> Vec<bool> {
        let mut varying: Vec<bool> = Vec::with_capacity(self.function.expressions.len());
        for (handle, expression) in self.function.expressions.iter() {
            let of = |operand: &Handle<Expression>| varying[operand.index()];
            let varies = match expression {
                Expression::Literal(_)
                | Expression::Constant(_)
                | Expression::Override(_)
                | Expression::ZeroValue(_)
                | Expression::ArrayLength(_)
                | Expression::WorkGroupUniformLoadResult { .. } => false,
                Expression::FunctionArgument(index) => self.arguments[*index as usize],
                Expression::GlobalVariable(global) => {
                    is_changeable(&self.lint.module.global_variables[*global])
                }
                Expression::LocalVariable(local) => self.locals.contains(local),
                Expression::CallResult(_) => self.calls.contains(&handle),
                Expression::Access { base, index } => of(base) || of(index),
                Expression::AccessIndex { base, .. } => of(base),
                Expression::Splat { value, .. } => of(value),
                Expression::Swizzle { vector, .. } => of(vector),
                Expression::Compose { components, .. } => components.iter().any(of),
                Expression::Load { pointer } => of(pointer),
                Expression::Unary { expr, .. } | Expression::As { expr, .. } => of(expr),
                Expression::Binary { left, right, .. } => of(left) || of(right),
                Expression::Select { condition, accept, reject } => {
                    of(condition) || of(accept) || of(reject)
                }
                Expression::Relational { argument, .. } => of(argument),
                Expression::Math { arg, arg1, arg2, arg3, .. } => {
                    of(arg) || [arg1, arg2, arg3].into_iter().flatten().any(of)
                }
                // Atomics and subgroups give each lane its own; the rest does not occur in compute.
                _ => true,
            };
            varying.push(varies);
        }
        varying
    }

    /// Walks the statements; `parted` says that only some lanes may be here.
    fn block(&mut self, block: &Block, varying: &[bool], mut parted: bool) -> Exits {
        let mut left = Exits::default();
        for (statement, span) in block.span_iter() {
            let exits = self.statement(statement, *span, varying, parted);
            parted |= exits.any();
            left = left.or(exits);
        }
        left
    }

    fn statement(
        &mut self,
        statement: &Statement,
        span: Span,
        varying: &[bool],
        parted: bool,
    ) -> Exits {
        let of = |operand: Handle<Expression>| varying[operand.index()];
        match statement {
            Statement::Block(block) => return self.block(block, varying, parted),
            Statement::If { condition, accept, reject } => {
                let parted = parted || of(*condition);
                let accepted = self.block(accept, varying, parted);
                return accepted.or(self.block(reject, varying, parted));
            }
            Statement::Switch { selector, cases } => {
                let parted = parted || of(*selector);
                let left = cases.iter().fold(Exits::default(), |left, case| {
                    left.or(self.block(&case.body, varying, parted))
                });
                return Exits { breaks: false, ..left };
            }
            Statement::Loop { body, continuing, break_if } => {
                let mut left = self.block(body, varying, parted);
                self.block(continuing, varying, parted || left.any());
                if !parted && (left.any() || break_if.is_some_and(of)) {
                    // The next round begins where some lanes have gone.
                    left = self.block(body, varying, true);
                    self.block(continuing, varying, true);
                }
                return Exits { returns: left.returns, ..Exits::default() };
            }
            Statement::Break => return Exits { breaks: parted, ..Exits::default() },
            Statement::Continue => return Exits { continues: parted, ..Exits::default() },
            Statement::Return { value } => {
                self.result |= parted || value.is_some_and(of);
                return Exits { returns: parted, ..Exits::default() };
            }
            Statement::ControlBarrier(_) => self.barrier(span, parted),
            Statement::WorkGroupUniformLoad { pointer, .. } => {
                let indices = self.place(*pointer).1;
                self.barrier(span, parted || indices.into_iter().any(of));
            }
            Statement::Store { pointer, value } => {
                let (local, indices) = self.place(*pointer);
                if parted || of(*value) || indices.into_iter().any(of) {
                    self.locals.extend(local);
                }
            }
            Statement::Call { function, arguments, result } => {
                // Whatever the callee writes through a pointer counts as varying.
                let written: Vec<_> = arguments.iter().filter_map(|&a| self.place(a).0).collect();
                self.locals.extend(written);
                let callee = &self.lint.module.functions[*function];
                let arguments = arguments.iter().map(|&argument| of(argument)).collect();
                if self.lint.call(callee, arguments, parted) {
                    self.calls.extend(result);
                }
            }
            _ => {}
        }
        Exits::default()
    }

    /// The local variable that a pointer leads to, if it is one, and the indices on the way.
    fn place(
        &self,
        mut pointer: Handle<Expression>,
    ) -> (Option<Handle<LocalVariable>>, Vec<Handle<Expression>>) {
        let mut indices = Vec::new();
        loop {
            match self.function.expressions[pointer] {
                Expression::Access { base, index } => {
                    indices.push(index);
                    pointer = base;
                }
                Expression::AccessIndex { base, .. } => pointer = base,
                Expression::LocalVariable(local) => return (Some(local), indices),
                _ => return (None, indices),
            }
        }
    }

    fn barrier(&mut self, span: Span, parted: bool) {
        if parted {
            self.lint.parted.insert(span.location(self.lint.source).line_number as usize);
        }
    }
}

/// Whether lanes may read different values from one place of `global`, at different moments or of their own.
fn is_changeable(global: &GlobalVariable) -> bool {
    match global.space {
        AddressSpace::Uniform | AddressSpace::Immediate => false,
        AddressSpace::Storage { access } => access.contains(StorageAccess::STORE),
        _ => true,
    }
}

/// Checks the body of an entry point that has `lane`, `group`, `params`, and a few things to call.
#[cfg(test)]
fn barriers_of(body: &str) -> usize {
    let source = format!(
        "struct Params {{ n: u32 }}
        @group(0) @binding(0) var<uniform> params: Params;
        @group(0) @binding(1) var<storage, read> x: array<u32>;
        @group(0) @binding(2) var<storage, read_write> y: array<u32>;
        var<workgroup> shared_word: u32;
        fn wait() {{ workgroupBarrier(); }}
        fn first(a: u32, b: u32) -> u32 {{ return a; }}
        fn early(a: u32) {{ if a > 3u {{ return; }} y[a] = 1u; }}
        fn put(place: ptr<function, u32>, value: u32) {{ *place = value; }}
        @compute @workgroup_size(64) fn main(
            @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {{ {body} }}"
    );
    parted_barriers(&source).len()
}

#[test]
fn barriers_that_every_lane_reaches_are_accepted() {
    for body in [
        "wait();",
        "if group.x < params.n { wait(); }",
        "for (var k = 0u; k < params.n; k += 16u) { if k == x[k] { continue; } wait(); }",
        "if lane < 3u { y[lane] = 1u; } wait();",
        "if params.n == 0u { return; } wait();",
        "for (var i = lane; i < params.n; i += 64u) { if i == 7u { break; } } wait();",
        "if first(params.n, lane) == 1u { wait(); }",
        "early(lane); wait();",
        "if workgroupUniformLoad(&shared_word) > 2u { wait(); }",
        "switch params.n { case 1u: { wait(); } default: { if lane == 0u { break; } } } wait();",
        "if params.n > 1u && group.x == 0u { wait(); }",
        "let big = select(1u, 2u, params.n > 9u); if big == 2u { wait(); }",
    ] {
        assert_eq!(barriers_of(body), 0, "{body}");
    }
}

#[test]
fn barriers_that_some_lanes_may_miss_are_refused() {
    for body in [
        "if lane < 3u { workgroupBarrier(); }",
        "if lane < 3u { storageBarrier(); }",
        "if lane < 3u { wait(); }",
        "if lane < 3u { _ = workgroupUniformLoad(&shared_word); }",
        "if lane < 3u { return; } wait();",
        "if params.n == 0u { if lane < 3u { return; } } wait();",
        "for (var i = lane; i < params.n; i += 64u) { wait(); }",
        "loop { wait(); if lane < 3u { break; } }",
        "loop { wait(); continuing { break if lane < 3u; } }",
        "for (var k = 0u; k < params.n; k++) { if lane == k { continue; } wait(); }",
        "for (var k = 0u; k < params.n; k++) { if lane == k { return; } } wait();",
        "var n = 1u; if lane < 3u { n = 2u; } if n == 2u { wait(); }",
        "var n = 1u; put(&n, lane); if n == 2u { wait(); }",
        "if first(lane, params.n) == 1u { wait(); }",
        "if shared_word > 2u { wait(); }",
        "if y[0] > 2u { wait(); }",
        "if x[lane] > 2u { wait(); }",
        "if params.n > 1u && lane == 0u { wait(); }",
        "switch lane { case 1u: { wait(); } default: {} }",
    ] {
        assert_eq!(barriers_of(body), 1, "{body}");
    }
}
