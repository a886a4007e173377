import ArgumentParser
import Lineages
import Text

extension CompletionKind {
    /// What a shell offers for a lineage's name: the lineages of the tree that the command line names, else of certbot's.
    ///
    /// Who may not read the tree is offered nothing: a shell has no place for an error here.
    static var lineage: CompletionKind {
        .custom { words, _, _ in
            let names = try? Tree.lineageNames(in: configDirectory(in: words) ?? OperatorPath.tree.text)
            // The shell shows them as they are.
            return (names ?? []).filter { $0.plain == $0 }
        }
    }

    /// The value of `--config-dir` among the words of a command line that is not finished. bash gives `--config-dir=DIR` in
    /// three words.
    private static func configDirectory(in words: [String]) -> String? {
        let option = "--config-dir"
        for (index, word) in words.enumerated().reversed() {
            if word.hasPrefix(option + "=") { return path(word.dropFirst(option.count + 1)) }
            guard word == option else { continue }
            guard let value = words[(index + 1)...].first(where: { $0 != "=" }) else { return nil }
            return path(value[...])
        }
        return nil
    }

    /// A word as it was typed, with its quotes.
    private static func path(_ word: Substring) -> String? {
        OperatorPath(argument: word.filter { !"'\"\\".contains($0) })?.text
    }
}
