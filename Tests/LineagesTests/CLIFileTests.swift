import FoundationEssentials
import Testing

@testable import Lineages

@Suite struct CLIFileTests {
    @Test func `keys have one spelling`() throws {
        let file = try cli("deploy-hook = a\n--max-log-backups=0\nkey_type: ecdsa\n")
        #expect(file.keys == ["deploy_hook", "max_log_backups", "key_type"])
        #expect(file.value("deploy-hook") == "a")
        #expect(file.value("--deploy-hook") == "a")
        #expect(file.value("max_log_backups") == "0")
        #expect(file.value("key-type") == "ecdsa")
        #expect(file.value("server") == nil)
        #expect(file.values("server") == [])
    }

    @Test func `a flag is set by its key alone`() throws {
        let file = try cli("must-staple\nreuse-key = False\nstaging 1\nquiet = maybe\nwebroot = [true]\nagree-tos=\n")
        #expect(try file.flag("must-staple") == true)
        #expect(try file.flag("reuse_key") == false)
        #expect(try file.flag("staging") == true)
        #expect(try file.flag("debug") == nil)
        let error = #expect(throws: ConfError.self) { try file.flag("quiet") }
        #expect(error?.line == 4)
        #expect(throws: ConfError.self) { try file.flag("webroot") }
        #expect(throws: ConfError.self) { try file.flag("agree-tos") }
    }

    @Test func `a list has values but no value`() throws {
        let file = try cli(#"domains = [a.example, b.example]"# + "\n" + #"pref = ["http-01", 1]"# + "\n")
        #expect(file.value("domains") == nil)
        #expect(file.values("domains") == ["a.example", "b.example"])
        #expect(file.values("pref") == ["http-01", "1"])
    }

    @Test func `the last of equal keys counts`() throws {
        let file = try cli("server = a\nserver = b\n--server = c\n")
        #expect(file.value("server") == "c")
        #expect(file.values("server") == ["b", "c"])
    }

    @Test func `renew-hook is the deploy hook`() throws {
        #expect(try cli("renew-hook = a\n").value("deploy_hook") == "a")
        #expect(try cli("renew-hook = a\ndeploy-hook = a\n").value("renew-hook") == "a")
        let error = #expect(throws: ConfError.self) { try cli("deploy-hook = a\n\nrenew-hook = b\n") }
        #expect(error?.line == 3)
    }

    @Test(arguments: ["\u{FEFF}server = a\n", "= a\n", "k;c\n", "k = [1.5]\n", "k = [[a]]\n"])
    func `what certbot does not read is refused`(text: String) {
        #expect(throws: ConfError.self) { try cli(text) }
    }

    @Test func `a byte that is not UTF-8 is refused with its line`() {
        let error = #expect(throws: ConfError.self) { try CLIFile(bytes: Array("a = b\rc = d\n# ".utf8) + [0xE9]) }
        #expect(error == ConfError(line: 2, what: "not UTF-8"))
    }

    @Test(
        arguments: [
            "[", "k", "\"", "k = '", "[\"\",", "k = [", "k = [\"a\",", "k = \"a \"b ", "k = a  ", "\u{85}", "#", "\0",
            "k\r",
        ])
    func `junk is read or refused in linear time`(unit: String) {
        let junk = String(repeating: unit, count: 131_072 / unit.utf8.count)
        let time = cpuTime {
            _ = try? cli(junk)
            _ = try? cli("k = [\(junk)]")
        }
        #expect(time < .seconds(60))
    }

    private func cli(_ text: String) throws -> CLIFile { try CLIFile(bytes: Array(text.utf8)) }
}

/// What CLIFile makes of a file against what ConfigArgParse makes of it.
@Suite(.enabled(if: ConfigObjOracle.isExpected, Comment(rawValue: ConfigObjOracle.remedy)))
struct CLIDifferentialTests {
    @Test func `files read as in ConfigArgParse`() throws {
        var dice = Dice(seed: 9)
        let texts = Self.corpus + (0..<4000).map { _ in Self.file(&dice) }
        let answers = try ConfigObjOracle.ask(texts.map { .init(cli: Data($0.utf8)) })
        var accepted = 0
        for (text, answer) in zip(texts, answers) {
            let settings = (answer.settings ?? []).filter { !$0.key.isEmpty }
            do {
                let file = try CLIFile(bytes: Array(text.utf8))
                #expect(answer.refused == nil, "only ConfigArgParse refuses \(text.debugDescription)")
                for key in file.keys {
                    let same = settings.filter { Self.canonical($0.key) == key }
                    #expect(
                        Self.equal(file.values(key), same.flatMap { $0.list ?? [$0.string ?? ""] }),
                        "\(text.debugDescription)")
                    #expect(
                        Self.equal(file.value(key).map { [$0] }, same.last?.string.map { [$0] }),
                        "\(text.debugDescription)")
                }
                #expect(Set(file.keys) == Set(settings.map { Self.canonical($0.key) }), "\(text.debugDescription)")
                accepted += 1
            } catch {
                let isExcused =
                    answer.odd == true || text.unicodeScalars.contains("\u{FEFF}") || "\(error)".contains("holds more")
                #expect(
                    answer.refused != nil || isExcused, "\(error), but ConfigArgParse reads \(text.debugDescription)")
            }
        }
        #expect(accepted > 1000)
    }

    private static func canonical(_ key: String) -> String {
        String(key.drop { $0 == "-" }.map { $0 == "-" ? "_" : $0 })
    }

    private static func equal(_ one: [String]?, _ other: [String]?) -> Bool {
        one.map { $0.map { Array($0.utf8) } } == other.map { $0.map { Array($0.utf8) } }
    }

    private static let corpus = [
        "", "key", "key # c", "key  # c", "key = # c", "key =# c", "key =", "key:", "key;x", "key ;x", "k = \"\" ; \"",
        "k = ''",
        "k = \"a\" b", "k \"a b\" # x", "k=[1, -2, true, null, -0]", "k=[\"a\",1]", "k=[01]", "k=[\"a\\u00e9\\n\"]",
        "k = 'a'b' # c",
        "k\u{A0}v", "k = [a, b] # c", "k=\"[a, b]\"", "k:=v", "k = v #", "k = v# x ;y", "k = v\t; c", "---", "--k",
        "-k = 1",
        "k=[]", "k=[ ]", "k=[,]", "k = [", "k = ]", "k=[a", "k = '", "k = '''", "[s]\nk = v", "; c\n# c\n",
        "k=v\rl=w\r\nm=x\n",
        "  k = v  ", "k = v\u{2028}l", "k\u{85}=\u{85}v\u{85}#c", "= v", ": v", "k = v\nk = w", "k = [\"a\tb\"]",
        "k=[\u{A0}\"a\"]", "k=[\u{A0}]",
        "k=[\"a\" \"b\"]", "k=[\"a,b\", c]", "k=[\"a,b\"]", "k = \"a # b\" # c", "k = a\"b # c\"",
    ]

    private static func file(_ dice: inout Dice) -> String {
        let tokens = [
            "a", "b c", "\"", "'", "\"x\"", "'y z'", " ", " ", "\t", "=", ":", "#", " # c", " ;", ";", ",", "[", "]",
            "-", "é", "\u{A0}", "\u{2028}",
            "\\", "1", "true", "\u{0}", "\\u00e9",
        ]
        var text = ""
        for line in 0..<Int.random(in: 1...4, using: &dice) {
            switch Int.random(in: 0..<10, using: &dice) {
            case 0: text += dice.some(tokens, 0...5)
            case 1...3:
                let items = (0..<Int.random(in: 0...3, using: &dice)).map { _ in
                    dice.pick(["a", "\"a\"", "1", "\"b, c\"", " \"d\"", "\"e\\\"f\"", "true", "", "x y", "'g'"])
                }
                text +=
                    "k\(line)" + dice.pick([" = ", "=", ": "]) + "[" + items.joined(separator: dice.pick([",", ", "]))
                    + "]" + dice.pick(["", " # c"])
            default:
                text +=
                    dice.pick(["", "", "--", " "]) + dice.pick(["k\(line)", "a-b", "k"])
                    + dice.pick([" = ", "=", ": ", " ", " =", ""])
                text += dice.some(tokens, 0...5)
            }
            text += dice.pick(["\n", "\n", "\r\n", "\r"])
        }
        return text
    }
}
