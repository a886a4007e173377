import Synchronization

/// Programs that certctl talks to, as transient units.
extension TransientUnits: ProgramLauncher {
    package var isOutside: Bool { true }

    package func launch(_ command: Command, confinement: Confinement?, limit: Duration) -> LaunchedCommand {
        let unit = newUnit()
        let properties = confinement.map(TransientUnits.properties) ?? []
        let client = client(unit.name, command, limit, confinement: properties)
        return LaunchedCommand(
            client, end: { await end(unit) },
            ended: { unit.clientHasEnded.store(true, ordering: .releasing) })
    }

    /// What systemd takes away from a program that has to reach its credentials and the network, and nothing else: the user is
    /// one that owns no file, /tmp is its own, and nothing is writable besides.
    private static func properties(_ confinement: Confinement) -> [String] {
        [
            "DynamicUser=yes", "PrivateTmp=yes", "ProtectSystem=strict", "ProtectHome=read-only", "PrivateDevices=yes",
            "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectControlGroups=yes", "NoNewPrivileges=yes",
            "CapabilityBoundingSet=", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
            // certctl's own directory may be one that this user cannot enter.
            "WorkingDirectory=/", "UMask=0077",
        ]
            + confinement.credentials.flatMap { credential in
                // One of the same name is taken where there is no such file, which is an error else.
                ["LoadCredential=\(credential.name):\(credential.path)"]
                    + (credential.isOptional ? ["SetCredential=\(credential.name):"] : [])
            }
            + confinement.hidden.map { "InaccessiblePaths=-\($0)" }
    }
}
