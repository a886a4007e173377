import ArgumentParser
import Lineages

/// Options of `certctl issue` that every later renewal keeps to: given once, they are saved in the renewal config, as certbot does
/// with what is typed or set in cli.ini.
struct SavedOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Save a command to run before each renewal.", valueName: "command"))
    var preHook: String?

    @Option(name: .long, help: ArgumentHelp("Save a command to run after each renewal.", valueName: "command"))
    var deployHook: String?

    @Option(name: .long, help: ArgumentHelp("Save a command to run at the end of each run.", valueName: "command"))
    var postHook: String?

    @Option(name: .long, help: ArgumentHelp("Prefer the chain with an issuer of this common name.", valueName: "name"))
    var preferredChain: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Prefer the chain to the root with this SHA-256, of those that the host trusts.", valueName: "sha256"),
        transform: SavedOptions.digest)
    var preferredChainRoot: String?

    @Option(name: .long, help: ArgumentHelp("Ask for this profile where the CA offers it.", valueName: "profile"))
    var preferredProfile: String?

    @Option(name: .long, help: ArgumentHelp("Order nothing without this profile.", valueName: "profile"))
    var requiredProfile: String?

    @Flag(name: .long, inversion: .prefixedNo, help: "Keep the private key at renewals.")
    var reuseKey: Bool?

    @Flag(name: .long, help: "Leave out names that the CA refuses, and order the others.")
    var allowSubsetOfNames = false

    /// Each key of `[certctl]` with its value: what certbot has no option for.
    var ownLines: [(key: String, value: String)] { preferredChainRoot.map { [("preferred_chain_root", $0)] } ?? [] }

    private static func digest(_ text: String) throws -> String {
        guard let digest = RenewalOptions.digest(text) else {
            throw ValidationError("\(text) is not a SHA-256 of 64 hexadecimal digits")
        }
        return digest
    }

    /// Each key of `[renewalparams]` with its value: what was typed, else what cli.ini sets.
    ///
    /// - Throws: a flag of cli.ini that is neither yes nor no.
    func lines(_ defaults: CLIDefaults) throws(ConfError) -> [(key: String, value: String)] {
        let texts: [(key: String, typed: String?, name: String)] = [
            ("pre_hook", preHook, "pre_hook"), ("renew_hook", deployHook, "deploy_hook"),
            ("post_hook", postHook, "post_hook"), ("preferred_chain", preferredChain, "preferred_chain"),
            ("preferred_profile", preferredProfile, "preferred_profile"),
            ("required_profile", requiredProfile, "required_profile"),
        ]
        var lines: [(key: String, value: String)] = []
        for (key, typed, name) in texts {
            if let value = typed ?? defaults.value(name) { lines.append((key, value)) }
        }
        var reuse = reuseKey
        if reuse == nil, let negated = try defaults.flag("no_reuse_key") { reuse = !negated }
        let flags: [(key: String, value: Bool?)] = [
            ("reuse_key", reuse == nil ? try defaults.flag("reuse_key") : reuse),
            ("must_staple", try defaults.flag("must_staple")),
            ("allow_subset_of_names", allowSubsetOfNames ? true : try defaults.flag("allow_subset_of_names")),
        ]
        for (key, value) in flags {
            if let value { lines.append((key, value ? "True" : "False")) }
        }
        return lines
    }
}
