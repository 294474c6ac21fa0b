//! Two processes and one run folder.

use super::runs::start_until;
use super::world::{PRETRAIN, World};

#[test]
fn a_second_process_is_told_who_holds_the_folder() {
    let world = World::new();
    let line = format!("{PRETRAIN} --objective mlm --steps 100000 --save-every 5 --out run");
    let mut first = start_until(&mut world.wgrad(&line), &world.path("run"), 11);
    for second in
        [format!("{PRETRAIN} --steps 1 --out run"), format!("{PRETRAIN} --out run --resume")]
    {
        let ended = world.run(&second);
        assert_eq!(ended.code, Some(1), "wgrad {second}\n{}", ended.stderr);
        let holder = "this run folder is in use by";
        let refused = ended.stderr.contains(holder) || ended.stderr.contains("--resume, or choose");
        assert!(refused && ended.stderr.lines().count() == 1, "{}", ended.stderr);
        assert!(!second.contains("--resume") || ended.stderr.contains(holder), "{}", ended.stderr);
    }
    let running = first.try_wait().expect("the process can be asked");
    assert!(running.is_none(), "the first process is not disturbed");
    first.kill().expect("the process still runs");
    first.wait().expect("the process was killed");
}
