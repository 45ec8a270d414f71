//! Nothing that was acknowledged is lost, nothing is there in part: on a disk that loses what was not synced, tears and fails.

mod blocks;
mod crash;
mod damage;
mod disk;
mod story;
