import Deployment

/// The hooks of `renewal-hooks/`, each directory listed once for all certificates.
struct TreeHooks: Sendable {
    private let directory: HookDirectory
    private let listings: [Hook.Kind: HookDirectory.Listing]
    /// Whether a deploy or post hook runs, which may reload nginx.
    let reloads: Bool
    /// Whether one is meant to and does not run: it is a dangling symlink, or a script that is not executable.
    let isMeantToReload: Bool

    /// Lists the directories. Blocks.
    init(configDirectory: String) {
        let directory = HookDirectory(configDirectory: configDirectory)
        self.directory = directory
        let listings = Dictionary(uniqueKeysWithValues: Hook.Kind.allCases.map { ($0, directory.list($0)) })
        self.listings = listings
        let reloading = [Hook.Kind.deploy, .post]
        reloads = reloading.contains { listings[$0]?.hooks.isEmpty == false }
        isMeantToReload = reloading.contains { kind in
            (listings[kind]?.skipped ?? []).contains { skipped in
                switch skipped.why {
                case .dangling: true
                case .notExecutable: Interpreter.isNamed(in: "\(directory.path(of: kind))/\(skipped.name)")
                default: false
                }
            }
        }
    }

    func list(_ kind: Hook.Kind) -> HookDirectory.Listing { listings[kind] ?? HookDirectory.Listing() }

    func path(of kind: Hook.Kind) -> String { directory.path(of: kind) }
}
