import Glibc

/// nginx's configuration as `nginx -T` prints it: every file after a line `# configuration file PATH:`, with comments and as it is
/// written; what `include` names is put in its place here.
struct NginxConf: Equatable, Sendable {
    struct Directive: Equatable, Sendable {
        let name: String
        let arguments: [String]
        let file: String
        /// From 1.
        let line: Int
        /// What is in its braces; nil for one that ends in a semicolon.
        var block: [Directive]?

        var place: String { "\(file):\(line)" }
        /// As it is written, without its block.
        var text: String { ([name] + arguments).joined(separator: " ") }

        /// As it is written, with what is in its braces.
        var wholeText: String {
            block.map { "\(text) { \($0.map(\.wholeText).joined(separator: " ")) }" } ?? "\(text);"
        }

        func first(_ name: String) -> Directive? { block?.first { $0.name == name } }
        func all(_ name: String) -> [Directive] { block?.filter { $0.name == name } ?? [] }
    }

    /// The main context.
    let directives: [Directive]

    /// More would be no configuration that anybody wrote.
    private static let deepest = 16

    /// Reads the output of `nginx -T`; nil where no configuration is in it.
    init?(dump: String) {
        var files: [(path: String, text: String)] = []
        // A command in a container has a terminal, whose lines end in CR LF: one Character of Swift's.
        for line in dump.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            if line.hasPrefix("# configuration file /"), line.hasSuffix(":") {
                files.append((String(line.dropFirst("# configuration file ".count).dropLast()), ""))
            } else if !files.isEmpty {
                files[files.count - 1].text += line + "\n"
            }
        }
        guard let main = files.first else { return nil }
        var parsed: [String: [Directive]] = [:]
        for file in files where parsed[file.path] == nil {
            var tokens = NginxTokens(file.text, file: file.path)
            parsed[file.path] = tokens.directives()
        }
        let order = files.map(\.path)
        let prefix = main.path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        func expanded(_ directives: [Directive], _ depth: Int) -> [Directive] {
            guard depth < NginxConf.deepest else { return directives }
            return directives.flatMap { directive -> [Directive] in
                if directive.name == "include", let pattern = directive.arguments.first {
                    let path = pattern.hasPrefix("/") ? pattern : "\(prefix)/\(pattern)"
                    return order.filter { unsafe fnmatch(path, $0, Int32(FNM_PATHNAME)) == 0 }
                        .flatMap { expanded(parsed[$0] ?? [], depth + 1) }
                }
                var directive = directive
                directive.block = directive.block.map { expanded($0, depth + 1) }
                return [directive]
            }
        }
        directives = expanded(parsed[main.path] ?? [], 0)
    }
}

/// The words of one file of nginx's configuration.
private struct NginxTokens {
    private enum Token: Equatable {
        case word(String)
        case end, open, close
    }

    private let characters: [Character]
    private let file: String
    private var index = 0
    private var line = 1

    init(_ text: String, file: String) { (characters, self.file) = (Array(text), file) }

    /// Everything up to the brace that closes, or to the end.
    mutating func directives(_ depth: Int = 0) -> [NginxConf.Directive] {
        var found: [NginxConf.Directive] = []
        var words: [String] = []
        var start = line
        while let token = next() {
            switch token {
            case .word(let word):
                if words.isEmpty { start = line }
                words.append(word)
            case .end:
                if let name = words.first {
                    found.append(.init(name: name, arguments: Array(words.dropFirst()), file: file, line: start))
                }
                words = []
            case .open:
                let (name, arguments, place) = (words.first ?? "", Array(words.dropFirst()), start)
                let block = depth < 32 ? directives(depth + 1) : []
                found.append(.init(name: name, arguments: arguments, file: file, line: place, block: block))
                words = []
            case .close: return found
            }
        }
        return found
    }

    private mutating func next() -> Token? {
        while index < characters.count {
            let character = characters[index]
            if character == "#" {
                while index < characters.count, characters[index] != "\n" { index += 1 }
            } else if character.isWhitespace {
                if character == "\n" { line += 1 }
                index += 1
            } else {
                break
            }
        }
        guard index < characters.count else { return nil }
        switch characters[index] {
        case ";":
            index += 1
            return .end
        case "{":
            index += 1
            return .open
        case "}":
            index += 1
            return .close
        case "\"", "'": return .word(quoted(by: characters[index]))
        default: return .word(plain())
        }
    }

    private mutating func quoted(by quote: Character) -> String {
        var word = ""
        index += 1
        while index < characters.count, characters[index] != quote {
            if characters[index] == "\\", index + 1 < characters.count, [quote, "\\"].contains(characters[index + 1]) {
                index += 1
            }
            if characters[index] == "\n" { line += 1 }
            word.append(characters[index])
            index += 1
        }
        index += 1
        return word
    }

    private mutating func plain() -> String {
        var word = ""
        while index < characters.count {
            let character = characters[index]
            if character.isWhitespace || character == ";" || (character == "{" && word.last != "$") { break }
            word.append(character)
            index += 1
            if character == "\\", index < characters.count {
                word.append(characters[index])
                index += 1
            } else if word.hasSuffix("${") {
                // A variable's braces are of the word.
                while index < characters.count, characters[index] != "}", characters[index] != "\n" {
                    word.append(characters[index])
                    index += 1
                }
                if index < characters.count, characters[index] == "}" {
                    word.append("}")
                    index += 1
                }
            }
        }
        return word
    }
}
