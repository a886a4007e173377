import ArgumentParser

/// `certctl completion`: what a shell sources to complete commands, options and the names of certificates.
struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print the completion script for a shell.",
        discussion: "For bash: source <(certctl completion bash). The package installs it for bash, zsh and fish.")

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish

        var completed: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        print(Certctl.completionScript(for: shell.completed))
        try StandardStreams.finishOutput()
    }
}
