//! Against the limits.

use poolwarden::Fault;

use super::{Attack, Ends, Guest, How, attack, attack_of, trap};

const CPU: Ends = Ends::Fault(|fault| matches!(fault, Fault::Cpu(_)), "it used more than");
const HOST_CPU: Ends = Ends::Fault(
    |fault| matches!(fault, Fault::HostCpu(_)),
    "its calls to the host used more than",
);
const MEMORY: Ends = Ends::Fault(|fault| matches!(fault, Fault::Memory(_)), "bytes of memory");
const NO_JSON: Ends = Ends::Fault(
    |fault| matches!(fault, Fault::NotJson(_)),
    "is not a JSON object",
);

pub(super) const LIMITS: &[Attack] = &[
    attack_of(How::Computes, "endless loop", hostile!("loop"), CPU),
    attack_of(
        How::Computes,
        "holding the transaction for ever",
        hostile!("hold-for-ever"),
        CPU,
    ),
    attack_of(
        How::Computes,
        "calling imports without end",
        hostile!("call-for-ever"),
        CPU,
    ),
    attack(
        "calling imports very often",
        hostile!("many-calls", "times" = "10000"),
        Ends::Nothing("10000 calls"),
    ),
    attack(
        "endless recursion",
        hostile!("recursion"),
        Ends::Fault(|fault| *fault == Fault::Stack, "ran out of stack"),
    ),
    attack(
        "endless recursion with a stack in memory",
        hostile!("recursion-in-memory"),
        Ends::Fault(
            |fault| *fault == Fault::OutOfBounds,
            "outside of its memory",
        ),
    ),
    attack("memory growth", hostile!("grow-memory"), MEMORY),
    attack(
        "table growth",
        Guest::Text(
            "(table $grown 0 funcref)",
            "(loop $again (br_if $again (i32.ne (i32.const -1)
                (table.grow $grown (ref.null func) (i32.const 1000)))))
             unreachable",
        ),
        Ends::Fault(|fault| matches!(fault, Fault::Tables(_)), "table elements"),
    ),
    attack("a 1 GiB answer", hostile!("answer-1-gib"), MEMORY),
    attack(
        "an answer that fits into memory",
        hostile!("answer-200-mib"),
        Ends::Fault(
            |fault| matches!(fault, Fault::Passed(_)),
            "bytes to the host at once",
        ),
    ),
    attack_of(
        How::Shadowed,
        "an answer over its own limit",
        hostile!("answer-large"),
        Ends::Fault(
            |fault| matches!(fault, Fault::AnswerTooLarge { .. }),
            "its answer has",
        ),
    ),
    attack("an answer that is text", hostile!("answer-text"), NO_JSON),
    attack(
        "an answer that is a list",
        hostile!("answer-array"),
        NO_JSON,
    ),
    attack("an empty answer", hostile!("answer-empty"), NO_JSON),
    attack("a trap", hostile!("trap"), trap("unreachable")),
    attack_of(
        How::EndsWorker,
        "a trap after a signal and before the replace",
        hostile!("trap-after-signal"),
        trap("unreachable"),
    ),
    attack(
        "taking transactions without end",
        hostile!("begin-for-ever"),
        Ends::Fault(
            |fault| matches!(fault, Fault::Transactions(_)),
            "transactions",
        ),
    ),
    attack_of(
        How::HostWorks,
        "opening targets without end",
        hostile!("many-targets"),
        HOST_CPU,
    ),
    attack_of(
        How::HostWorks,
        "inspecting without end",
        hostile!("inspect-for-ever"),
        HOST_CPU,
    ),
    attack(
        "flooding the log",
        hostile!("flood-log"),
        Ends::Nothing("logged"),
    ),
    attack(
        "remembering a request",
        hostile!("remember"),
        Ends::Nothing("asked 1 times"),
    ),
];
