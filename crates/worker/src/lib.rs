//! takes one task from assigned to revealed, on its owner's terms
