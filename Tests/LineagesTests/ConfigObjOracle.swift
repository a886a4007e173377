import FoundationEssentials
import Glibc

@testable import Lineages

/// Python's own configobj and configargparse, which certbot reads its files with: what they make of many files, asked in one process.
enum ConfigObjOracle {
    /// One question; what is not asked is `nil`.
    struct Question: Codable {
        /// A renewal conf.
        var conf: Data?
        /// A cli.ini.
        var cli: Data?
        /// A value, for how ConfigObj writes it.
        var string: String?
        var list: [String]?
    }

    struct Answer: Codable {
        /// Why Python refuses the file, or a value that does not read back as ConfigObj writes it.
        var refused: String?
        var sections: [Section]?
        /// A value holds a `%(name)s`.
        var interpolated: Bool?
        var settings: [Setting]?
        /// A list in a cli.ini holds a fraction or a list.
        var odd: Bool?
        /// A value as ConfigObj writes it.
        var quoted: String?
    }

    struct Section: Codable {
        var path: [String]
        var entries: [Setting]
    }

    struct Setting: Codable {
        var key: String
        var string: String?
        var list: [String]?
    }

    /// Whether the tests can run; under CI they must, and fail where Python lacks the packages.
    static var isExpected: Bool {
        if let ci = getenv("CI"), String(cString: ci) == "true" { return true }
        return (try? run(["/usr/bin/python3", "-c", "import configobj, configargparse"])) == 0
    }

    static let remedy =
        "needs Python's configobj and configargparse: apt install python3-configobj python3-configargparse"

    /// Asks all questions at once.
    static func ask(_ questions: [Question]) throws -> [Answer] {
        var template = Array("/tmp/configobj-oracle-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(what: "no temporary directory") }
        let directory = String(decoding: template.dropLast().map(UInt8.init(truncatingIfNeeded:)), as: UTF8.self)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Data(script.utf8).write(to: URL(filePath: "\(directory)/oracle.py"))
        try JSONEncoder().encode(questions).write(to: URL(filePath: "\(directory)/questions"))
        let status = try run(["/usr/bin/python3", "\(directory)/oracle.py", directory])
        guard status == 0 else { throw Failure(what: "the oracle ended with status \(status); \(remedy)") }
        let answers = try JSONDecoder().decode(
            [Answer].self, from: Data(contentsOf: URL(filePath: "\(directory)/answers")))
        guard answers.count == questions.count else { throw Failure(what: "\(answers.count) answers") }
        return answers
    }

    struct Failure: Error {
        let what: String
    }

    private static func run(_ arguments: [String]) throws -> Int32 {
        var argv = arguments.map { strdup($0) as UnsafeMutablePointer<CChar>? } + [nil]
        let settings: [String] = ["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"]
        var environment = settings.map { strdup($0) as UnsafeMutablePointer<CChar>? } + [nil]
        defer { for pointer in argv + environment { free(pointer) } }
        var pid: pid_t = 0
        var status: Int32 = 0
        guard posix_spawn(&pid, arguments[0], nil, nil, &argv, &environment) == 0, waitpid(pid, &status, 0) == pid
        else {
            throw Failure(what: "cannot run \(arguments[0])")
        }
        return status
    }

    private static let script = #"""
        import base64, json, os, re, signal, sys
        import configargparse, configobj
        signal.alarm(300)
        directory = sys.argv[1]
        path = os.path.join(directory, "file")

        def write(data):
            with open(path, "wb") as file:
                file.write(base64.b64decode(data))

        def read():
            return configobj.ConfigObj(path, encoding="utf-8", default_encoding="utf-8")

        def setting(key, value):
            return {"key": key, "list" if isinstance(value, list) else "string": value}

        def conf():
            try:
                top = read()
            except (configobj.ConfigObjError, UnicodeDecodeError) as error:
                return {"refused": str(error)}
            answer = {"sections": [], "interpolated": False}
            def add(section, at):
                entries = []
                for key in section.scalars:
                    value = dict.__getitem__(section, key)
                    if any(re.search(r"%\(([^)]*)\)s", one) for one in (value if isinstance(value, list) else [value])):
                        answer["interpolated"] = True
                    else:
                        assert section[key] == value
                    entries.append(setting(key, value))
                answer["sections"].append({"path": at, "entries": entries})
                for name in section.sections:
                    add(section[name], at + [name])
            add(top, [])
            return answer

        def cli():
            try:
                with open(path) as file:
                    items = configargparse.DefaultConfigFileParser().parse(file)
            except (configargparse.ConfigFileParserException, UnicodeDecodeError) as error:
                return {"refused": str(error)}
            odd = any(isinstance(one, (float, list, dict)) for value in items.values() if isinstance(value, list) for one in value)
            return {"odd": odd, "settings": [
                setting(key, [str(one) for one in value] if isinstance(value, list) else value) for key, value in items.items()]}

        def quoted(value):
            top = configobj.ConfigObj(encoding="utf-8", default_encoding="utf-8")
            top.filename = path
            top["k"] = value
            try:
                text = top._quote(value)
                top.write()
                faithful = read()["k"] == value
            except configobj.ConfigObjError as error:
                return {"refused": str(error)}
            return {"quoted": text} if faithful else {"refused": "does not read back"}

        answers = []
        with open(os.path.join(directory, "questions")) as file:
            questions = json.load(file)
        for question in questions:
            if question.get("conf") is not None:
                write(question["conf"])
                answers.append(conf())
            elif question.get("cli") is not None:
                write(question["cli"])
                answers.append(cli())
            else:
                answers.append(quoted(question["list"] if "list" in question else question["string"]))
        with open(os.path.join(directory, "answers"), "w") as file:
            json.dump(answers, file)
        """#
}

/// A reproducible source of chance (SplitMix64).
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Whether an event of this chance in a hundred happens.
    mutating func rolls(percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<Element>(_ choices: [Element]) -> Element { choices.randomElement(using: &self)! }

    mutating func some(_ tokens: [String], _ count: ClosedRange<Int>) -> String {
        (0..<Int.random(in: count, using: &self)).map { _ in pick(tokens) }.joined()
    }
}
