internal import FoundationEssentials

/// certbot's `cli.ini`: defaults for its options, in the dialect of Python's ConfigArgParse.
///
/// A key is an option's long name; here it is spelled with underscores and without leading dashes (`deploy-hook` and
/// `--deploy-hook` are `deploy_hook`). `renew-hook` is certbot's other name for `deploy-hook`, and is read as that.
/// Section lines mean nothing in this dialect.
package struct CLIFile: Sendable {
    private enum Value: Hashable {
        case string(String)
        case list([String])
    }

    private struct Setting {
        /// The key as it is written.
        let spelling: String
        let key: String
        var value: Value
        var line: Int

        var isRenewHook: Bool { key == "deploy_hook" && !spelling.contains("deploy") }
    }

    private var settings: [Setting] = []

    /// Reads a file; throws where certbot would stop.
    ///
    /// That is at what is not UTF-8, at a line that starts with neither a key nor a comment, at a byte order mark, and where
    /// `deploy-hook` and `renew-hook` differ. Refused as well are lists that hold other things than text, whole numbers and booleans.
    package init(bytes: [UInt8]) throws(ConfError) {
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw ConfError(line: ConfFile.lineOfInvalidUTF8(in: bytes), what: "not UTF-8")
        }
        let text = Array(string.unicodeScalars)
        guard text.first != "\u{FEFF}" else {
            throw ConfError(line: 1, what: "a byte order mark, which certbot takes for a part of the first key")
        }
        var places: [ConfName: Int] = [:]
        for (index, line) in Self.lines(of: text).enumerated() {
            guard let (spelling, string) = try Self.setting(line, number: index + 1) else { continue }
            let value = try Self.value(string, key: spelling, line: index + 1)
            // A key that is set again keeps its place and loses its value, as in the dictionary that certbot reads it into.
            if let place = places[ConfName(spelling)] {
                settings[place].value = value
                settings[place].line = index + 1
            } else {
                places[ConfName(spelling)] = settings.count
                settings.append(
                    Setting(spelling: spelling, key: Self.canonical(spelling), value: value, line: index + 1))
            }
        }
        let hooks = settings.filter { $0.key == "deploy_hook" }
        if let other = hooks.first(where: { $0.value != hooks[0].value && $0.isRenewHook != hooks[0].isRenewHook }) {
            throw ConfError(
                line: other.line, what: "deploy-hook and renew-hook differ, and certbot takes only one of them")
        }
    }

    /// All keys that are set, in the file's order, each once.
    package var keys: [String] {
        var seen: Set<String> = []
        return settings.map(\.key).filter { seen.insert($0).inserted }
    }

    /// What an option is set to: `true` where the key stands alone, and `nil` where it is missing or set to a list.
    package func value(_ key: String) -> String? {
        guard case .string(let string) = last(key)?.value else { return nil }
        return string
    }

    /// An option's values: the items of a list, or the one value; more where a key is there in several spellings.
    package func values(_ key: String) -> [String] {
        let key = Self.canonical(key)
        return settings.filter { $0.key == key }.flatMap { setting in
            switch setting.value {
            case .string(let string): [string]
            case .list(let items): items
            }
        }
    }

    /// Whether a flag is set, or `nil` where it is missing; throws where the value is none of certbot's words for yes and no.
    package func flag(_ key: String) throws(ConfError) -> Bool? {
        guard let setting = last(key) else { return nil }
        if case .string(let string) = setting.value {
            switch string.lowercased() {
            case "true", "yes", "1": return true
            case "false", "no", "0": return false
            default: break
            }
        }
        throw ConfError(
            line: setting.line,
            what: "\(named(setting.spelling)) is a flag: true, false, yes, no, 1 or 0, or the key alone")
    }

    private func last(_ key: String) -> Setting? {
        let key = Self.canonical(key)
        return settings.last { $0.key == key }
    }

    private static func canonical(_ spelling: String) -> String {
        let key = String(spelling.drop { $0 == "-" }.map { $0 == "-" ? "_" : $0 })
        return key == "renew_hook" ? "deploy_hook" : key
    }
}

// MARK: - The dialect

extension CLIFile {
    /// Python's text files end a line at LF, CR LF and a lone CR.
    private static func lines(of text: [Unicode.Scalar]) -> [ConfText] {
        var lines: [ConfText] = []
        var start = 0
        var index = 0
        while index < text.count {
            if text[index] == "\n" || text[index] == "\r" {
                lines.append(text[start..<index])
                if text[index] == "\r", index + 1 < text.count, text[index + 1] == "\n" { index += 1 }
                start = index + 1
            }
            index += 1
        }
        if start < text.count { lines.append(text[start...]) }
        return lines
    }

    /// A line's key and value; `nil` for a comment, a section and a line of dashes.
    private static func setting(_ line: ConfText, number: Int) throws(ConfError) -> (key: String, value: String)? {
        let line = line.trimmed
        guard let first = line.first, !["#", ";", "["].contains(first), !line.starts(with: ["-", "-", "-"]) else {
            return nil
        }
        let keyEnd = line.firstIndex { [":", "=", ";", "#"].contains($0) || $0.isConfSpace } ?? line.endIndex
        let key = line[..<keyEnd].string
        guard keyEnd < line.endIndex else { return (key, "true") }
        let next = line.skippingSpace(from: keyEnd)
        let hasSign = line[next] == "=" || line[next] == ":"
        guard !key.isEmpty, hasSign || next > keyEnd else {
            throw ConfError(line: number, what: "not a line that certbot reads; expected key = value")
        }
        return (key, value(line[(hasSign ? line.skippingSpace(from: next + 1) : next)...]))
    }

    /// What is left of a line without quotes around it and a comment, which needs white space before its `#` or `;`.
    private static func value(_ text: ConfText) -> String {
        guard let first = text.first else { return "" }
        let start = text.startIndex
        if first.isQuote {
            var search = start + 2
            while let quote = text.position(of: first, from: search) {
                if spacedComment(text, from: quote + 1) { return text[start + 1..<quote].string }
                search = quote + 1
            }
            if start + 1 < text.endIndex, text[start + 1] == first, spacedComment(text, from: start + 2) { return "" }
        }
        var end = start + 1
        while !spacedComment(text, from: end) { end = Swift.max(end + 1, text.skippingSpace(from: end)) }
        return text[start..<end].string
    }

    private static func spacedComment(_ text: ConfText, from index: Int) -> Bool {
        let next = text.skippingSpace(from: index)
        return next == text.endIndex || next > index && (text[next] == "#" || text[next] == ";")
    }

    /// A value in brackets is a JSON list, or failing that whatever commas separate.
    private static func value(_ string: String, key: String, line: Int) throws(ConfError) -> Value {
        let text = Array(string.unicodeScalars)[...]
        guard text.first == "[", text.last == "]" else { return .string(string) }
        let inside = text.dropFirst().dropLast()
        switch text.count < 2 ? .notJSON : JSONList(inside) {
        case .items(let items): return .list(items)
        case .notJSON:
            return .list(inside.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmed.string))
        case .other:
            throw ConfError(
                line: line, what: "the list of \(named(key)) holds more than text, whole numbers and booleans")
        }
    }
}

/// What stands between the brackets of a list, if it is JSON.
private enum JSONList {
    /// The items as the text that Python's `str` makes of them.
    case items([String])
    /// Some items are fractions, lists or objects, whose text would be in Python's notation.
    case other
    case notJSON

    init(_ text: ConfText) {
        if Self.trimmed(text).isEmpty {
            self = .items([])
            return
        }
        var items: [String?] = []
        for token in Self.tokens(text) {
            switch token.first {
            case "[", "{":
                self = .other
                return
            case "\"":
                if let string = try? JSONDecoder().decode(String.self, from: Data(token.string.utf8)) {
                    items.append(string)
                } else if token.contains("\\") {
                    // An escape that Python may read and Swift's strings cannot hold, half of a surrogate pair.
                    items.append(nil)
                } else {
                    self = .notJSON
                    return
                }
            default:
                switch Self.bare(token.string) {
                case .some(let item): items.append(item)
                case nil:
                    self = .notJSON
                    return
                }
            }
        }
        let texts = items.compactMap { $0 }
        self = texts.count == items.count ? .items(texts) : .other
    }

    /// Python's text of a literal or a number, `.some(nil)` for a fraction, and `nil` for what is no JSON.
    private static func bare(_ token: String) -> String?? {
        switch token {
        case "true": return "True"
        case "false": return "False"
        case "null": return "None"
        case "-0": return "0"
        case "NaN", "Infinity", "-Infinity": return .some(nil)
        default: break
        }
        let digits = token.utf8.first == UInt8(ascii: "-") ? token.utf8.dropFirst() : token.utf8[...]
        guard let first = digits.first, (0x30...0x39).contains(first) else { return nil }
        if digits.allSatisfy({ (0x30...0x39).contains($0) }) {
            return first == 0x30 && digits.count > 1 ? nil : token
        }
        return Double(token) == nil ? nil : .some(nil)
    }

    /// The items, split at the commas that are in no string.
    private static func tokens(_ text: ConfText) -> [ConfText] {
        var tokens: [ConfText] = []
        var start = text.startIndex
        var isQuoted = false
        var isEscaped = false
        for index in text.indices {
            switch text[index] {
            case _ where isEscaped: isEscaped = false
            case "\\": isEscaped = isQuoted
            case "\"": isQuoted.toggle()
            case "," where !isQuoted:
                tokens.append(trimmed(text[start..<index]))
                start = index + 1
            default: break
            }
        }
        return tokens + [trimmed(text[start...])]
    }

    /// Without JSON's white space, which is less than Python's.
    private static func trimmed(_ text: ConfText) -> ConfText {
        let isSpace: (Unicode.Scalar) -> Bool = { $0 == " " || $0 == "\t" }
        let rest = text.drop(while: isSpace)
        return rest[..<(rest.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? rest.startIndex)]
    }
}
