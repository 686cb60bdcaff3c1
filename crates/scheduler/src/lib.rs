//! turns deals into finished tasks: reconcilers, worker door, result door
