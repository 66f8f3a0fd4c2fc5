//! Policies of any kind over the real capabilities: whatever they call in whatever order, what
//! reaches the kernel and the disk lies within the budget of the request.

mod actions;
mod machine;
mod promises;
mod trail;
