//! What is done to the world, and how it heals again.

use super::super::history::Broken;
use super::super::rare::Rare;
use super::super::tracker::Ms;
use super::net::Way;
use super::options::{Aim, What};
use super::people::KEEPALIVE;
use super::world::{Happening, SKEW, World};
use crate::store::mem_disk::{Crash, IO_ERROR, NO_ROOM, Temper};

/// As supervisors do.
const SIGKILL_AFTER: Ms = 3_000;

impl World {
    fn aim(&mut self, aim: Aim) -> usize {
        match aim {
            Aim::Host(host) => host,
            Aim::Leader => self.leader().unwrap_or(0),
        }
    }

    /// A fault begins. Its end is an event of its own, or its victim comes up again.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn fault(&mut self, number: usize) -> Result<(), Broken> {
        let fault = self.options.faults[number].clone();
        if self.calm {
            return Ok(());
        }
        self.trace.note("fault", &[self.now, number as u64]);
        let lasts = fault.lasts;
        match fault.what {
            What::Crash(aim, how) => {
                let host = self.aim(aim);
                self.met(if how == Crash::Killed { "kills" } else { "power cuts" });
                self.host_down(host, how, lasts);
            }
            What::Blackout => {
                self.met("blackouts");
                (0..self.hosts.len()).for_each(|host| self.host_down(host, Crash::PowerCut, lasts));
            }
            What::Freeze(aim) => {
                let host = self.aim(aim);
                self.met("freezes");
                self.hosts[host].frozen_until = self.now + lasts;
                self.begins(number, host, lasts);
            }
            What::Isolate(aim) => {
                let host = self.aim(aim);
                self.met("isolations");
                for other in (0..self.hosts.len()).filter(|other| *other != host) {
                    self.cut(host, other);
                    self.cut(other, host);
                }
                self.begins(number, host, lasts);
            }
            What::Split { first, count } => {
                self.met("split networks");
                let hosts = self.hosts.len();
                let is_inside = |host: usize| (host + hosts - first) % hosts < count;
                for from in 0..hosts {
                    for to in (0..hosts).filter(|to| is_inside(from) != is_inside(*to)) {
                        self.cut(from, to);
                    }
                }
                self.begins(number, first, lasts);
            }
            What::OneWay(from, to) => {
                self.met("one-way cuts");
                self.cut(from, to);
                self.begins(number, from, lasts);
            }
            What::Lossy(way) => {
                self.met("lossy networks");
                for from in 0..self.hosts.len() {
                    for to in 0..self.hosts.len() {
                        let cut = self.net.way(from, to).cut;
                        self.net.set_way(from, to, Way { cut, ..way });
                    }
                }
                self.begins(number, 0, lasts);
            }
            What::SlowDisk(aim, temper) => {
                let host = self.aim(aim);
                self.met("slow disks");
                self.hosts[host].disk.set_temper(temper);
                self.begins(number, host, lasts);
            }
            What::BadDisk(aim) => {
                let host = self.aim(aim);
                self.met("bad disks");
                self.hosts[host].disk.set_temper(Temper { fails: true, ..Temper::default() });
                self.begins(number, host, lasts);
            }
            What::FullDisk(aim) => {
                let host = self.aim(aim);
                self.met("full disks");
                self.hosts[host].disk.set_temper(Temper { full: true, ..Temper::default() });
                self.begins(number, host, lasts);
            }
            What::Wipe(host) => self.wipe(host, lasts)?,
            What::Clock(host, by) => {
                self.history.saw(Rare::ClockJumps);
                self.met("wrong clocks");
                self.set_clocks_right();
                self.hosts[host].clock.set_offset(by);
            }
            What::Drift(host, by) => {
                self.met("drifting clocks");
                self.set_clocks_right();
                self.hosts[host].clock.set_drift(by);
            }
            What::Restart(host) => {
                if let Some(up) = &self.hosts[host].up {
                    let tracker = up.tracker.clone();
                    self.met("processes asked to end");
                    self.hosts[host].spawn(async move { tracker.shutdown().await });
                    let start = self.hosts[host].start;
                    self.after(SIGKILL_AFTER, Happening::Ends { host, start });
                }
            }
            What::HandOver(to) => self.hand_over(to),
            What::TrackerDies(tracker) => {
                self.met("dead TaskTrackers");
                if self.trackers[tracker].alive {
                    self.kill_tracker(tracker);
                }
            }
            What::TrackerFreezes(tracker) => {
                if self.trackers[tracker].alive && !self.is_frozen(tracker) {
                    self.met("frozen TaskTrackers");
                    let lasts = lasts * 2;
                    self.trackers[tracker].frozen_until = self.now + lasts;
                    self.after(lasts, Happening::Thaw { tracker });
                }
            }
            What::TrackerCutOff(tracker) => {
                self.met("TaskTrackers cut off");
                self.cut_until[tracker] = self.now + lasts * 2;
                self.after(KEEPALIVE, Happening::Keepalive { tracker });
            }
            What::Snapshot(host) => {
                self.met("snapshots asked for");
                if let Some(up) = &self.hosts[host].up {
                    let raft = up.tracker.raft().clone();
                    self.hosts[host].spawn(async move { drop(raft.trigger_snapshot().await) });
                }
            }
        }
        Ok(())
    }

    fn begins(&mut self, number: usize, host: usize, lasts: Ms) {
        self.active += 1;
        self.after(lasts, Happening::Heals { number, host });
    }

    fn cut(&self, from: usize, to: usize) {
        let way = self.net.way(from, to);
        self.net.set_way(from, to, Way { cut: true, ..way });
    }

    /// Overlapping faults of one kind end together.
    pub(super) fn heals(&mut self, number: usize, host: usize) {
        self.active = self.active.saturating_sub(1);
        self.trace.note("heals", &[self.now, number as u64]);
        match self.options.faults[number].what {
            What::Isolate(_) | What::Split { .. } | What::OneWay(..) => {
                for from in 0..self.hosts.len() {
                    for to in 0..self.hosts.len() {
                        let way = self.net.way(from, to);
                        self.net.set_way(from, to, Way { cut: false, ..way });
                    }
                }
            }
            What::Lossy(_) => {
                for from in 0..self.hosts.len() {
                    for to in 0..self.hosts.len() {
                        let cut = self.net.way(from, to).cut;
                        self.net.set_way(from, to, Way { cut, ..self.options.way });
                    }
                }
            }
            What::SlowDisk(..) | What::BadDisk(_) | What::FullDisk(_) => {
                self.hosts[host].disk.set_temper(Temper::default())
            }
            What::Crash(..)
            | What::Blackout
            | What::Freeze(_)
            | What::Wipe(_)
            | What::Clock(..)
            | What::Drift(..)
            | What::Restart(_)
            | What::HandOver(_)
            | What::TrackerDies(_)
            | What::TrackerFreezes(_)
            | What::TrackerCutOff(_)
            | What::Snapshot(_) => {}
        }
    }

    pub(super) fn host_down(&mut self, host: usize, how: Crash, lasts: Ms) {
        if !self.hosts[host].is_running() {
            return;
        }
        self.history.saw(Rare::Crashes);
        self.active += 1;
        self.trace.note("down", &[self.now, host as u64]);
        self.hosts[host].crash(how);
        self.calls_break(host);
        self.streams_break(host, how == Crash::Killed);
        self.after(lasts, Happening::HostUp { host });
    }

    pub(super) fn host_up(&mut self, host: usize) {
        if !self.hosts[host].is_running() {
            self.active = self.active.saturating_sub(1);
            self.start_host(host);
        }
    }

    /// A process ended itself, because its disk failed; a supervisor starts it again.
    ///
    /// # Errors
    /// If nothing explains it.
    pub(super) fn process_ended(&mut self, host: usize, why: &str) -> Result<(), Broken> {
        if why.contains(IO_ERROR) {
            self.met("ends by a bad disk");
        } else if why.contains(NO_ROOM) {
            self.met("ends by a full disk");
        } else {
            return Err(format!("X2: n{} ended: {why}", host + 1));
        }
        self.host_down(host, Crash::Killed, 500);
        Ok(())
    }

    /// A process that was asked to end has ended by now, or is made to.
    pub(super) fn process_ends(&mut self, host: usize, start: u64) {
        if self.hosts[host].start == start {
            self.host_down(host, Crash::Killed, 100);
        }
    }

    /// One clock at most is wrong.
    fn set_clocks_right(&mut self) {
        for host in &self.hosts {
            host.clock.set_offset(self.rng.between(0, 2 * SKEW) as i64 - SKEW as i64);
        }
    }

    fn hand_over(&mut self, to: usize) {
        let (Some(leader), Some(id)) = (self.leader().filter(|leader| *leader != to), self.hosts[to].id)
        else {
            return;
        };
        let Some(up) = &self.hosts[leader].up else { return };
        let raft = up.tracker.raft().clone();
        self.met("hand-overs asked for");
        // Whether it comes about is the others' affair.
        self.hosts[leader].spawn(async move { drop(raft.transfer_leader(id).await) });
    }

    /// Both ends of a TaskTracker's stream have noticed by now that nothing comes any more.
    pub(super) fn keepalive(&mut self, tracker: usize) {
        if self.cut_until[tracker] <= self.now {
            return;
        }
        let stream = self.links.iter().find(|(_, link)| link.tracker == tracker).map(|(id, _)| *id);
        if let Some(stream) = stream {
            self.after(1, Happening::Lost { tracker, stream });
            self.after(1, Happening::Detached { stream });
        }
    }
}
