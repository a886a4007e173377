import Rig

/// A command as a page shows it, and the output that the page says it has.
struct ShownCommand: Sendable {
    let command: String
    let output: [String]
    /// The numbers of the command's line, and of the first line of its output.
    let line: Int
    let outputLine: Int

    /// Reads a block of a terminal: commands after `$ `, each followed by its output.
    ///
    /// A command goes on after a line that ends with `\`, and to the end of its here-document.
    static func all(in block: MarkdownPage.Block) -> [ShownCommand] {
        var commands: [ShownCommand] = []
        var command: [String] = []
        var output: [String] = []
        var (start, outputStart) = (0, 0)
        var hereDocument: String?
        func finish() {
            guard !command.isEmpty else { return }
            commands.append(
                ShownCommand(
                    command: command.joined(separator: "\n"), output: output, line: start, outputLine: outputStart))
        }
        for (index, line) in block.lines.enumerated() {
            if let end = hereDocument {
                command.append(line)
                outputStart += 1
                if line == end { hereDocument = nil }
            } else if !command.isEmpty, output.isEmpty, command.last?.hasSuffix("\\") == true {
                command.append(line)
                outputStart += 1
            } else if line.hasPrefix("$ ") {
                finish()
                (command, output, start) = ([String(line.dropFirst(2))], [], block.firstLine + index)
                outputStart = start + 1
                hereDocument = line.firstMatch(of: /<<'(\w+)'/).map { String($0.1) }
            } else {
                output.append(line)
            }
        }
        finish()
        return commands
    }
}
