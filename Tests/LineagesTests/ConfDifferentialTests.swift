import FoundationEssentials
import Testing

@testable import Lineages

/// What ConfFile makes of a file against what ConfigObj makes of it.
@Suite(.enabled(if: ConfigObjOracle.isExpected, Comment(rawValue: ConfigObjOracle.remedy)))
struct ConfDifferentialTests {
    @Test func `tricky files read as in ConfigObj`() throws {
        #expect(Self.corpus.count >= 60)
        try compare(Self.corpus.map { Array($0.utf8) } + Self.notUTF8)
    }

    @Test(arguments: [1, 2] as [UInt64]) func `random files read as in ConfigObj`(seed: UInt64) throws {
        var dice = Dice(seed: seed)
        let accepted = try compare((0..<2000).map { _ in Array(Self.file(&dice).utf8) })
        #expect(accepted > 500, "too few files are good for this to say much")
    }

    @Test(arguments: [5, 6] as [UInt64]) func `a changed file reads in ConfigObj as it should`(seed: UInt64) throws {
        var dice = Dice(seed: seed)
        var texts = Self.corpus
        texts += (0..<2000).map { _ in Self.file(&dice) }
        var questions: [ConfigObjOracle.Question] = []
        var expected: [(old: String, reading: [ConfReading])] = []
        var refused: [(question: ConfigObjOracle.Question, text: String)] = []
        for text in texts {
            guard let file = try? ConfFile(bytes: Array(text.utf8)) else { continue }
            for _ in 0..<3 {
                var reading = ConfReading.all(of: file)
                let index = Int.random(in: 0..<reading.count, using: &dice)
                let path = reading[index].path
                let key = reading[index].entries.randomElement(using: &dice)?.key
                var changed = file
                if dice.rolls(percent: 20), let key {
                    changed.remove(key, in: path)
                    reading[index].entries.removeAll { $0.key.utf8.elementsEqual(key.utf8) }
                } else if dice.rolls(percent: 10), index > 0 {
                    changed.removeSection(path)
                    reading.removeAll { $0.path.starts(with: path) { $0.utf8.elementsEqual($1.utf8) } }
                } else {
                    let value = Self.value(&dice)
                    do {
                        if let key, dice.rolls(percent: 70) {
                            try changed.set(key, to: value, in: path)
                            let entry = try #require(
                                reading[index].entries.firstIndex { $0.key.utf8.elementsEqual(key.utf8) })
                            let old = reading[index].entries[entry].value
                            reading[index].entries[entry].value = value
                            expectOtherLinesKept(text, changed, oldValue: old)
                        } else if dice.rolls(percent: 60) {
                            try changed.set("new key", to: value, in: path)
                            reading[index].entries.append(.init(key: "new key", value: value))
                            expectOtherLinesKept(text, changed, oldValue: nil)
                        } else {
                            let name = dice.pick(["new", "a.example", "new ]", "'new\"", "#new"])
                            try changed.set("k", to: value, in: path + [name])
                            let end = reading[index...].dropFirst().firstIndex { $0.path.count <= path.count }
                            reading.insert(
                                ConfReading(path: path + [name], entries: [.init(key: "k", value: value)]),
                                at: end ?? reading.count)
                            expectOtherLinesKept(text, changed, oldValue: nil)
                        }
                    } catch {
                        switch value {
                        case .string(let string): refused.append((.init(string: string), text))
                        case .list(let list): refused.append((.init(list: list), text))
                        }
                        #expect(changed.bytes == Array(text.utf8))
                        continue
                    }
                }
                #expect(ConfReading.all(of: changed) == reading)
                questions.append(.init(conf: Data(changed.bytes)))
                expected.append((text, reading))
            }
        }
        #expect(expected.count > 1000)
        let answers = try ConfigObjOracle.ask(questions + refused.map(\.question))
        for ((old, reading), answer) in zip(expected, answers) {
            #expect(ConfReading.all(of: answer) == reading, "\(old.debugDescription)")
        }
        for (refused, answer) in zip(refused, answers.dropFirst(expected.count)) where answer.refused == nil {
            let text = refused.question.string ?? refused.question.list?.joined() ?? ""
            // In a comment such as this one, ConfigObj may find the end of a quoted item.
            let isExcused = text.contains("%(") || refused.text.contains("# \"c\',")
            #expect(isExcused, "ConfigObj can write this: \(refused)")
        }
    }

    @Test func `values are quoted as in ConfigObj`() throws {
        var dice = Dice(seed: 8)
        let values = (0..<4000).map { _ in Self.value(&dice) }
        let answers = try ConfigObjOracle.ask(
            values.map {
                switch $0 {
                case .string(let string): .init(string: string)
                case .list(let list): .init(list: list)
                }
            })
        var compared = 0
        for (value, answer) in zip(values, answers) {
            guard let quoted = answer.quoted, !value.isInterpolated else { continue }
            var file = try ConfFile(bytes: Array("k\t=  old   # why\n".utf8))
            try file.set("k", to: value)
            #expect(String(decoding: file.bytes, as: UTF8.self).utf8.elementsEqual("k\t=  \(quoted)   # why\n".utf8))
            compared += 1
        }
        #expect(compared > 2000)
    }

    // MARK: - Comparing

    /// Expects the same of both, and says how many files are good.
    @discardableResult
    private func compare(_ files: [[UInt8]]) throws -> Int {
        let answers = try ConfigObjOracle.ask(files.map { .init(conf: Data($0)) })
        var accepted = 0
        for (bytes, answer) in zip(files, answers) {
            let shown = String(decoding: bytes, as: UTF8.self).debugDescription
            do {
                let file = try ConfFile(bytes: bytes)
                #expect(file.bytes == bytes, "\(shown)")
                #expect(answer.refused == nil && answer.interpolated == false, "only ConfigObj refuses \(shown)")
                #expect(ConfReading.all(of: file) == ConfReading.all(of: answer), "\(shown)")
                accepted += 1
            } catch {
                #expect(answer.refused != nil || answer.interpolated == true, "\(error), but ConfigObj reads \(shown)")
            }
        }
        return accepted
    }

    /// Expects that all lines but those of one value are there as they were.
    private func expectOtherLinesKept(_ old: String, _ file: ConfFile, oldValue: ConfFile.Value?) {
        let mark: [UInt8] = old.unicodeScalars.first == "\u{FEFF}" ? [0xEF, 0xBB, 0xBF] : []
        #expect(file.bytes.starts(with: mark))
        let before = old.utf8.dropFirst(mark.count).split(separator: 0x0A, omittingEmptySubsequences: false)
        let after = file.bytes.dropFirst(mark.count).split(separator: 0x0A, omittingEmptySubsequences: false)
        var replaced = 0
        if let oldValue {
            replaced = 1
            if case .string(let string) = oldValue { replaced += string.utf8.count { $0 == 0x0A } }
        }
        let head = zip(before, after).prefix { $0.elementsEqual($1) }.count
        let tail = zip(before.reversed(), after.reversed()).prefix { $0.elementsEqual($1) }.count
        // A last line that had no end gets one when something follows.
        let opened = oldValue == nil && before.last?.isEmpty == false ? 1 : 0
        #expect(head + tail + replaced + opened >= before.count, "\(old.debugDescription)")
    }

    // MARK: - Files

    private static let tokens = [
        "a", "b", "c d", "\"", "'", "\"", "'", "'''", "\"\"\"", ",", ",", ", ", " ", " ", "\t", "#", " #", "=", "%",
        "%%",
        "[", "]", "é", "e\u{301}", "\u{85}", "\u{A0}", "\u{2028}", "\u{0C}", "\u{FEFF}", "\u{0}", "\u{1F}", "\r",
        "\"x\"", "'y'",
        "\"x, y\"", "'a # b'", "\\", ";", ":", "日", "%(", ")s", "()",
    ]

    private static func value(_ dice: inout Dice) -> ConfFile.Value {
        let inner = Self.tokens + ["\n", "\r\n", "x y z", "/etc"]
        if dice.rolls(percent: 40) {
            return .list((0..<Int.random(in: 0...3, using: &dice)).map { _ in dice.some(inner, 0...4) })
        }
        return .string(dice.some(inner, 0...7))
    }

    private static func file(_ dice: inout Dice) -> String {
        var text = dice.rolls(percent: 10) ? "\u{FEFF}" : ""
        let lineEnd = dice.pick(["\n", "\n", "\r\n"])
        var depth = 0
        for line in 0..<Int.random(in: 1...7, using: &dice) {
            let indent = dice.rolls(percent: 20) ? dice.some([" ", "\t", "\u{A0}", "\r"], 1...3) : ""
            let key = dice.rolls(percent: 90) ? "k\(line)" : dice.some(tokens, 1...3)
            let spaces = dice.pick(["", " ", " ", "  ", "\t"])
            let tail = dice.pick(["", "", "", " ", "#", " # c", " # \"c', "])
            switch Int.random(in: 0..<100, using: &dice) {
            case 0..<30:
                text += indent + key + spaces + "=" + spaces + dice.some(tokens, 0...6) + tail
            case 30..<55:
                let items = [
                    "\"a\"", "'b'", "c", "d e", "\"f, g\"", "'h # i'", "\"\"", "it's", "\"j\"k\"", "\"l' m\"", "%n",
                    "'o",
                ]
                let item = dice.pick(items)
                let more = (0..<dice.pick([0, 0, 1, 2])).map { _ in
                    dice.pick([",", ", ", " , "]) + dice.pick(items)
                }
                text +=
                    indent + key + spaces + "=" + spaces + item + more.joined() + dice.pick(["", "", ",", ", "]) + tail
            case 55..<65:
                let quote = dice.pick(["'''", "\"\"\""])
                let breaks = (0..<Int.random(in: 0...2, using: &dice)).map { _ in dice.some(tokens, 0...3) + lineEnd }
                text +=
                    indent + key + spaces + "=" + spaces + quote + breaks.joined() + dice.some(tokens, 0...2) + quote
                    + tail
            case 65..<80:
                depth = Int.random(in: 1...(depth + 1), using: &dice)
                let name = dice.rolls(percent: 70) ? "s\(line)" : dice.some(tokens, 1...3)
                let close = dice.rolls(percent: 95) ? depth : depth + 1
                text += indent + String(repeating: "[" + dice.pick(["", "", " "]), count: depth) + name
                text += String(repeating: dice.pick(["", "", " "]) + "]", count: close) + tail
            case 80..<92:
                text += indent + dice.pick(["", "# comment", "#", "# k = v", "   "])
            default:
                text += dice.some(tokens, 1...6)
            }
            text += dice.rolls(percent: 3) ? dice.pick(["\r\r\n", "", "\r"]) : lineEnd
        }
        if dice.rolls(percent: 20), text.unicodeScalars.last == "\n" { text.unicodeScalars.removeLast() }
        return text
    }

    private static let notUTF8: [[UInt8]] = [
        [0x6B, 0x3D, 0xE9, 0x0A], Array("# ".utf8) + [0xFF, 0x0A], Array("k = v\n".utf8) + [0xC0, 0x80],
        [0xED, 0xA0, 0x80],
        [0xEF, 0xBB], [0xFE, 0xFF, 0, 0x6B, 0, 0x3D], [0x6B, 0x3D, 0xE2, 0x0A, 0x80, 0xA8],
    ]

    private static let corpus: [String] = [
        "", "\n", "\u{FEFF}", "\u{FEFF}\n", "\u{FEFF}k = v\n", "\u{FEFF}\u{FEFF}k = v\n", "# only a comment", "   \t\n",
        "k = v", "k=v\n", "k = v\r\n", "k = v\r\r\n", "k = v\rl = w\n", "k = v\r", "k =\n", "k = \n", "k = # c\n",
        "k =# c\n",
        "k = \"\"\n", "k = ''\n", "k = ''''\n", "k = ''''''\n", "k = '''''\n'''\n", "k = '''a''' b'''\n",
        "k = '''a''''\n",
        "k = '''a\nb'''\n", "k = '''a\r\nb\r\n''' # c\r\n", "k = '''a\nb''' c\n", "k = '''a\nb''' c'''\n", "k = '''a\n",
        "k = \"\"\"it's \"x\"\"\"\"\n", "k = '''a'''#c\n", "k = '''a''', b\n", "k = a,\n", "k = ,\n", "k = , # c\n",
        "k = ,,\n",
        "k = a,,b\n", "k = ,a\n", "k = a, b,  # c\n", "k = \"a, b\", c\n", "k = a#b, c\n", "k = a, b#c\n",
        "k = \"a\" \"b\"\n",
        "k = \"a \"b\" c\"\n", "k = \"a \"b\", c\"\n", "k = a, \"b\" c, d\n", "k = a, \", b\n", "k = a, , b\n",
        "k = \"a\n",
        "k = a\"\n", "k = a\"b'c\n", "k = 'a' # 'b'\n", "k = 'a # b'\n", "k = \"a', 'b\"\n", "k = 'a, 'b, c\n",
        "a = b = c\n",
        "\"k\" = v\n", "'k' = v\n", "\"k = v\n", "  \"k = v\n", "\"a = b\" = c\n", "\"a\" b\" = c\n", "= v\n", " = v\n",
        "   = v\n",
        "\"\" = v\n", "k : v\n", "; comment\n", "bare\n", "k = v ; c\n", "k = v\nk = w\n", "é = 1\ne\u{301} = 2\n",
        "[s]\n[s]\n", "k = v\n[k]\n", "[s]\n[[t]]\nk = v\n[[t]]\n", "[[s]]\n", "[s]\n[[[t]]]\n", "[s\n", "s]\n", "[]\n",
        "[ ]\n",
        "[[]]\n", "[[]\n", "[[ ]\n", "[]]\n", "[ s ] # c\n", "[s]#c\n", "[s] c\n", "[s] c]\n", "[s] = v\n", "[s = v\n",
        "[\"s\"]\n",
        "[\"s]\n", "['s' t]\n", "[[\"s\" t]\n", "[\"]\"]\n", "[\"\"]\n", "[\" \"]\n", "[\"\"\"]\n", "[\"a\" ] ]\n",
        "[s]]\n",
        "[s] # ]\n", "[a # b]\n", "[s]\nk = v\n[t]\nk = v\n[[s]]\nk = v\n", "[ [ s ] ]\n", "[s]\n[ [ t ] ]\n  k = v\n",
        "k = %(x)s\n", "k = %%(x)s\n", "k = %\n", "k = %%\n", "k = %(x)d\n", "k = %(x)\n", "k = %(a)b)s\n",
        "k = %()s\n",
        "x = y\nk = %(x)s\n", "k = %(a %(b)s\n", "k = '''%(a\nb)s'''\n", "k = a, %(x)s\n", "[%(x)s]\n%(y)s = v\n",
        "# %(x)s\n",
        "k = a\u{2028}b\n", "k\u{2028}=\u{85}v\u{A0}\n", "\u{0C}k = v\n", "\u{1C}[s]\u{1D}\n", "k = \u{0}\n",
        "\u{0} = v\n",
        "\u{FEFF}# c\r\nk = v\r\n", "k = v\n\u{FEFF}l = w\n", "\u{200B}\n",
        """
        # renew_before_expiry = 30 days
        version = 2.1.0
        archive_dir = /etc/letsencrypt/archive/example.org
        cert = /etc/letsencrypt/live/example.org/cert.pem

        # Options used in the renewal process
        [renewalparams]
        account = 0123456789abcdef0123456789abcdef
        authenticator = webroot
        webroot_path = /var/www/html,
        post_hook = '''sh -c "echo 'a'"'''
        pref_challs = http-01, dns-01
        [[webroot_map]]
        example.org = /var/www/html
        "a, b" = "/var/www/a, b"

        """,
    ]
}

/// What a section holds, compared byte by byte.
struct ConfReading: Equatable {
    struct Entry: Equatable {
        var key: String
        var value: ConfFile.Value

        static func == (one: Entry, other: Entry) -> Bool {
            one.key.utf8.elementsEqual(other.key.utf8) && one.value == other.value
        }
    }

    var path: [String]
    var entries: [Entry]

    static func == (one: ConfReading, other: ConfReading) -> Bool {
        one.path.elementsEqual(other.path) { $0.utf8.elementsEqual($1.utf8) } && one.entries == other.entries
    }

    static func all(of file: ConfFile, at path: [String] = []) -> [ConfReading] {
        let entries = file.keys(in: path).compactMap { key in
            file.value(key, in: path).map { Entry(key: key, value: $0) }
        }
        return [ConfReading(path: path, entries: entries)]
            + file.sections(in: path).flatMap { all(of: file, at: path + [$0]) }
    }

    static func all(of answer: ConfigObjOracle.Answer) -> [ConfReading] {
        (answer.sections ?? []).map { section in
            ConfReading(
                path: section.path,
                entries: section.entries.map { entry in
                    Entry(key: entry.key, value: entry.list.map { .list($0) } ?? .string(entry.string ?? ""))
                })
        }
    }
}
