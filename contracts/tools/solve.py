"""Answers one question of halmos, a file in SMT-LIB: two solvers start, and whoever knows first is believed.

yices turns numbers into bits, which is quick for packed words and hopeless for products; cvc5 is told to take them for
integers, which is the other way round. Called as `solve.py question` by halmos, as `solve.py --cvc5 question` by itself.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path


def main(question: str) -> None:
    yices = Path(sys.executable).parent / "yices-smt2"
    commands = [
        [yices, "--smt2-model-format", "--bvconst-in-decimal", question],
        [sys.executable, __file__, "--cvc5", question],
    ]
    answers = [Path(f"{question}.{name}.out") for name in ("yices", "cvc5")]
    racers = []
    for command, answer in zip(commands, answers):
        with answer.open("w") as out:
            racers.append(subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL))

    def stop(*_) -> None:
        for racer in racers:
            racer.kill()

    signal.signal(signal.SIGTERM, lambda *_: (stop(), sys.exit(1)))
    running = list(zip(racers, answers))
    while running:
        time.sleep(0.01)
        for racer, answer in running.copy():
            if racer.poll() is None:
                continue
            running.remove((racer, answer))
            said = answer.read_text()
            if said.startswith(("sat", "unsat")):
                stop()
                print(said, end="")
                return
    print("unknown")


def cvc5_alone(question: str) -> None:
    import cvc5

    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("produce-models", "true")
    solver.setOption("solve-bv-as-int", "sum")
    parser = cvc5.InputParser(solver)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, question)
    while not (command := parser.nextCommand()).isNull():
        print(command.invoke(solver, parser.getSymbolManager()), end="", flush=True)


if sys.argv[1] == "--cvc5":
    cvc5_alone(sys.argv[2])
else:
    main(sys.argv[1])
