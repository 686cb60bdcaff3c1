//! A WASI program that does what its first argument says. Compiled by the tests, as a module and as a component.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(buffer: *mut u8, length: usize) -> u16;
    fn path_symlink(target: *const u8, target_length: usize, fd: u32, path: *const u8, length: usize) -> u16;
    fn path_link(fd: u32, follow: u32, a: *const u8, an: usize, to: u32, b: *const u8, bn: usize) -> u16;
    fn sock_shutdown(fd: u32, how: u32) -> u16;
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let rest = &args[2.min(args.len())..];
    match args.get(1).map(String::as_str).unwrap_or("nothing") {
        "nothing" => {}
        "words" => {
            println!("{args:?}");
            for (name, value) in std::env::vars() {
                println!("{name}={value}");
            }
        }
        "world" => world(),
        "float" => float(),
        "cat" => rest.iter().for_each(|path| print!("{}", fs::read_to_string(path).unwrap())),
        "write" => rest.chunks(2).for_each(|pair| {
            if let Some((folder, _)) = pair[0].rsplit_once('/') {
                fs::create_dir_all(folder).unwrap();
            }
            fs::write(&pair[0], &pair[1]).unwrap();
        }),
        "files" => files(),
        "try" => rest.iter().for_each(|path| attempt(path)),
        "links" => links(),
        "exit" => std::process::exit(rest[0].parse().unwrap()),
        "trap" => std::process::abort(),
        "loop" => loop {
            std::hint::black_box(0);
        },
        "sleep" => {
            let start = Instant::now();
            std::thread::sleep(Duration::from_secs(3600));
            println!("{}", start.elapsed().as_secs());
        }
        "wait" => {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(20) {}
        }
        "deep" => println!("{}", deep(0)),
        "eat" => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                let mut more: Vec<u8> = Vec::new();
                // A program that minds failed allocations, and would go on.
                if more.try_reserve_exact(16 << 20).is_err() {
                    println!("no memory, going on");
                    return;
                }
                more.resize(16 << 20, 1);
                all.push(more);
            }
        }
        "flood" => {
            let mut file = File::create("/iexec_out/flood").unwrap();
            let block = vec![7; 1 << 20];
            while file.write_all(&block).is_ok() {}
            println!("full, going on");
        }
        "sparse" => {
            let mut file = File::create("/iexec_out/sparse").unwrap();
            file.seek(SeekFrom::Start(1 << 50)).unwrap();
            let _ = file.write_all(b"x");
            println!("full, going on");
        }
        "many" => {
            for index in 0_u64.. {
                if fs::write(format!("/iexec_out/{index}"), "").is_err() {
                    println!("full, going on");
                    return;
                }
            }
        }
        "print" => loop {
            println!("round and round it goes");
        },
        "complain" => loop {
            eprintln!("round and round it goes");
        },
        other => panic!("no such command: {other}"),
    }
}

#[inline(never)]
fn deep(level: u64) -> u64 {
    let local = std::hint::black_box([level; 16]);
    if level == u64::MAX { local[3] } else { deep(level + 1) + local[5] }
}

/// All that might differ from host to host.
fn world() {
    println!("{:?}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
    let start = Instant::now();
    println!("{:?} {:?}", start.elapsed(), start.elapsed());
    let mut bytes = [0; 40];
    println!("{}", unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) });
    println!("{bytes:?} {}", RandomState::new().hash_one(7));
    let map: HashMap<u32, u32> = (0..20).map(|number| (number, number)).collect();
    println!("{:?}", map.keys().collect::<Vec<_>>());
    for name in ["b", "c", "a", "Z", "ä"] {
        fs::write(format!("/iexec_out/{name}"), name).unwrap();
    }
    fs::create_dir("/iexec_out/folder").unwrap();
    for folder in ["/", "/iexec_in", "/iexec_out", "/tmp", "."] {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let times = [metadata.modified().unwrap(), metadata.accessed().unwrap()];
            let times = times.map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_nanos());
            println!("{:?} {} {} {times:?}", entry.path(), metadata.len(), metadata.is_dir());
        }
    }
    println!("{}", unsafe { sock_shutdown(3, 1) });
    eprintln!("done");
}

fn float() {
    let nan = f64::from_bits(0x7ff8_dead_beef_0001);
    let made = std::hint::black_box(0.0_f64) / std::hint::black_box(0.0);
    println!("{:x} {:x}", (nan + 1.0).to_bits(), (made * nan).to_bits());
    println!("{:?} {:?} {:?}", 0.1_f64.sin(), 2_f64.sqrt(), 1e300_f64.powf(1.0001));
}

/// What programs do with files, checked against what they expect.
fn files() {
    let path = "/iexec_out/file";
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
    assert!(OpenOptions::new().write(true).create_new(true).open(path).is_err());
    file.write_all(b"hello world").unwrap();
    file.seek(SeekFrom::Start(6)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "world");
    file.set_len(5).unwrap();
    OpenOptions::new().append(true).open(path).unwrap().write_all(b", you").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"hello, you");
    file.seek(SeekFrom::End(10)).unwrap();
    file.write_all(b"!").unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), 21);
    assert_eq!(fs::read(path).unwrap()[10..], *b"\0\0\0\0\0\0\0\0\0\0!");
    fs::create_dir_all("/iexec_out/a/b/c").unwrap();
    fs::write("/iexec_out/a/b/c/deep", "deep").unwrap();
    assert!(fs::rename("/iexec_out/a", "/iexec_out/a/b/x").is_err());
    assert!(fs::remove_dir("/iexec_out/a").is_err());
    fs::rename("/iexec_out/a/b", "/iexec_out/moved").unwrap();
    assert_eq!(fs::read_to_string("/iexec_out/moved/c/deep").unwrap(), "deep");
    assert_eq!(fs::read_to_string("/iexec_out/moved/../moved/./c//deep").unwrap(), "deep");
    fs::remove_file(path).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let mut start = [0; 5];
    file.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"hello", "a removed file lives while it is open");
    fs::write("/tmp/scratch", "scratch").unwrap();
    fs::rename("/tmp/scratch", "/iexec_out/kept").unwrap();
    fs::write("/tmp/gone", "gone").unwrap();
    fs::copy("/iexec_out/kept", "/iexec_out/copy").unwrap();
    for index in 0..500 {
        fs::write(format!("/tmp/{index}"), "x").unwrap();
    }
    for entry in fs::read_dir("/tmp").unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert_eq!(fs::read_dir("/tmp").unwrap().count(), 0, "removing while listing misses nothing");
    fs::remove_dir_all("/iexec_out/a").unwrap();
    let mut open = Vec::new();
    while let Ok(file) = File::open("/iexec_out/kept") {
        open.push(file);
        assert!(open.len() < 100_000);
    }
    drop(open);
    File::open("/iexec_out/kept").unwrap();
    println!("well");
}

/// Says what a path gives, without minding.
fn attempt(path: &str) {
    let kind = |error: std::io::Error| error.kind();
    println!("{path}");
    println!("  read {:?}", fs::read(path).map(|bytes| bytes.len()).map_err(kind));
    println!("  write {:?}", fs::write(path, "x").map_err(kind));
    println!("  list {:?}", fs::read_dir(path).map(|entries| entries.count()).map_err(kind));
    println!("  folder {:?}", fs::create_dir(path).map_err(kind));
    println!("  move {:?}", fs::rename(path, "/iexec_out/stolen").map_err(kind));
    println!("  remove {:?}", fs::remove_file(path).map_err(kind));
}

fn links() {
    let (from, to) = ("/etc/passwd", "iexec_out/link");
    println!("{}", unsafe { path_symlink(from.as_ptr(), from.len(), 3, to.as_ptr(), to.len()) });
    fs::write("/iexec_out/file", "x").unwrap();
    let from = "iexec_out/file";
    println!("{}", unsafe { path_link(3, 0, from.as_ptr(), from.len(), 3, to.as_ptr(), to.len()) });
    println!("{:?}", fs::read("/iexec_out/link").is_err());
}
