//! An application for tests: does one errand, named by its first argument. A plain WASI program; knows nothing of oxec.

use std::{env, fs, io::Write, process};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // Writes its words to a file, so that tasks of a bag differ by their arguments.
        ["write", rest @ ..] => fs::write("/iexec_out/words.txt", rest.join(" ")).expect("write"),
        // Copies an input.
        ["copy", name] => {
            fs::copy(format!("/iexec_in/{name}"), "/iexec_out/copy").expect("copy");
        }
        ["say", rest @ ..] => println!("{}", rest.join(" ")),
        // Some honest work of about `n` million steps.
        ["spin", n] => {
            let mut state = 1_u64;
            for _ in 0..n.parse::<u64>().expect("a number") * 1_000_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            }
            println!("{state}");
        }
        ["trap"] => process::abort(),
        ["exit", code] => {
            eprintln!("leaving with {code}");
            process::exit(code.parse().expect("a number"));
        }
        ["loop"] => loop {
            std::hint::spin_loop();
        },
        ["eat"] => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 1 << 24]);
            }
        }
        ["flood"] => {
            let mut file = fs::File::create("/iexec_out/flood").expect("create");
            let block = vec![7; 1 << 20];
            loop {
                file.write_all(&block).expect("write");
            }
        }
        ["babble"] => loop {
            println!("and another thing, and another thing, and another thing, and another thing");
        },
        ["escape"] => {
            for path in ["/iexec_out/../escaped", "../escaped", "/etc/passwd", "/iexec_in/../../escaped"] {
                if fs::write(path, "out").is_ok() || fs::read(path).is_ok() {
                    println!("escaped by {path}");
                }
            }
        }
        ["callback", hex] => {
            fs::write("/iexec_out/computed.json", format!("{{\"callback-data\": \"{hex}\"}}")).expect("write");
        }
        other => {
            eprintln!("no such errand: {other:?}");
            process::exit(64);
        }
    }
}
