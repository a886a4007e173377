package import Deployment
package import Lineages

/// The commands that a conf has for its lineage's hooks.
package struct HookCommands: Sendable {
    var pre: String?
    var deploy: String?
    var post: String?

    init() {}

    /// The command for one kind of hook.
    package func command(_ kind: Hook.Kind) -> String? {
        switch kind {
        case .pre: pre
        case .deploy: deploy
        case .post: post
        case .check, .failure, .recovered: nil
        }
    }

    /// The hooks of a conf.
    package init(_ options: RenewalOptions) {
        (pre, deploy, post) = (options.preHook, options.deployHook, options.postHook)
    }

    /// The hooks of a conf, or of `cli.ini` for a lineage that has none yet.
    package init(_ options: RenewalOptions?, _ defaults: CLIDefaults) {
        pre = options?.preHook ?? defaults.value("pre_hook")
        deploy = options?.deployHook ?? defaults.value("deploy_hook")
        post = options?.postHook ?? defaults.value("post_hook")
    }
}
