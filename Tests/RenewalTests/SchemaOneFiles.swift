/// State files as certctl 0.1.0 left them, one a stage: its own `LedgerEntry`, written by its own code and encoder settings. They
/// are of 2026-11-01, and of a certificate for a.example that 127.0.0.1:443 serves.
enum SchemaOneFiles {
    static let adopted = """
        {
          "attempts" : 0,
          "earlier" : [

          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : true,
          "isIssued" : false,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "schema" : 1,
          "served" : [

          ]
        }
        """

    static let verified = """
        {
          "attempts" : 0,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [

          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let failing = """
        {
          "attempts" : 1,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [

          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : true,
          "lastError" : "the CA is rate limiting",
          "lastErrorIsTemporary" : true,
          "name" : "a.example",
          "nextAttempt" : "2026-11-09T00:00:00Z",
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let ordered = """
        {
          "attempts" : 0,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [

          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "order" : {
            "names" : [
              "a.example"
            ],
            "server" : "https://ca.example/dir",
            "url" : "https://ca.example/order/1"
          },
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let orderedAndFailed = """
        {
          "attempts" : 1,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [

          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : false,
          "lastError" : "the CA does not answer",
          "lastErrorIsTemporary" : true,
          "name" : "a.example",
          "nextAttempt" : "2026-11-01T00:01:00Z",
          "order" : {
            "names" : [
              "a.example"
            ],
            "server" : "https://ca.example/dir",
            "url" : "https://ca.example/order/1"
          },
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let issued = """
        {
          "attempts" : 0,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [

          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : false,
          "isIssued" : true,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "order" : {
            "names" : [
              "a.example"
            ],
            "server" : "https://ca.example/dir",
            "url" : "https://ca.example/order/1"
          },
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let announced = """
        {
          "attempts" : 0,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [

          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : false,
          "isIssued" : true,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "order" : {
            "names" : [
              "a.example"
            ],
            "server" : "https://ca.example/dir",
            "url" : "https://ca.example/order/1"
          },
          "replaced" : {
            "answered" : [
              {
                "endpoint" : "127.0.0.1:443",
                "name" : "a.example"
              }
            ],
            "isAccepted" : true,
            "number" : 1,
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let onTrial = """
        {
          "attempts" : 0,
          "earlier" : [
            "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          ],
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 2,
            "serial" : "52e732b1bf74264db5cec9faa7e9b210b9b6e246",
            "sha256" : "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "replaced" : {
            "answered" : [
              {
                "endpoint" : "127.0.0.1:443",
                "name" : "a.example"
              }
            ],
            "isAccepted" : true,
            "number" : 1,
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ]
        }
        """

    static let installedWithFailedHook = """
        {
          "attempts" : 1,
          "earlier" : [
            "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          ],
          "hooks" : [
            {
              "at" : "2026-11-01T00:00:00Z",
              "error" : "10-reload exited with 1",
              "failures" : 1,
              "identity" : "/etc/letsencrypt/renewal-hooks/post/10-reload",
              "kind" : "post",
              "succeeded" : false
            }
          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 2,
            "serial" : "52e732b1bf74264db5cec9faa7e9b210b9b6e246",
            "sha256" : "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : true,
          "lastError" : "127.0.0.1:443 still serves the old certificate",
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "replaced" : {
            "answered" : [
              {
                "endpoint" : "127.0.0.1:443",
                "name" : "a.example"
              }
            ],
            "isAccepted" : true,
            "number" : 1,
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "servedWrongly" : "127.0.0.1:443 still serves the old certificate",
          "untold" : [
            "/etc/letsencrypt/renewal-hooks/failure/10-mail"
          ]
        }
        """

    static let deployed = """
        {
          "attempts" : 0,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [
            "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          ],
          "hooks" : [
            {
              "at" : "2026-11-01T00:00:00Z",
              "failures" : 0,
              "identity" : "/etc/letsencrypt/renewal-hooks/post/10-reload",
              "kind" : "post",
              "succeeded" : true
            }
          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 2,
            "serial" : "52e732b1bf74264db5cec9faa7e9b210b9b6e246",
            "sha256" : "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ]
        }
        """

    static let deployedAndVerified = """
        {
          "attempts" : 0,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [
            "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          ],
          "hooks" : [
            {
              "at" : "2026-11-01T00:00:00Z",
              "failures" : 0,
              "identity" : "/etc/letsencrypt/renewal-hooks/post/10-reload",
              "kind" : "post",
              "succeeded" : true
            }
          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 2,
            "serial" : "52e732b1bf74264db5cec9faa7e9b210b9b6e246",
            "sha256" : "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let goingBack = """
        {
          "attempts" : 0,
          "earlier" : [
            "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          ],
          "held" : {
            "at" : "2026-11-01T00:00:00Z",
            "reason" : "127.0.0.1:443 fails the handshake",
            "serial" : "52e732b1bf74264db5cec9faa7e9b210b9b6e246",
            "sha256" : "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21",
            "times" : 1,
            "wayBack" : {
              "from" : 2,
              "to" : 1
            }
          },
          "hooks" : [

          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 2,
            "serial" : "52e732b1bf74264db5cec9faa7e9b210b9b6e246",
            "sha256" : "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : false,
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "replaced" : {
            "answered" : [
              {
                "endpoint" : "127.0.0.1:443",
                "name" : "a.example"
              }
            ],
            "isAccepted" : true,
            "number" : 1,
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ]
        }
        """

    static let held = """
        {
          "attempts" : 1,
          "deployedAt" : "2026-11-01T00:00:00Z",
          "earlier" : [
            "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d",
            "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21"
          ],
          "held" : {
            "at" : "2026-11-01T00:00:00Z",
            "reason" : "127.0.0.1:443 fails the handshake",
            "serial" : "52e732b1bf74264db5cec9faa7e9b210b9b6e246",
            "sha256" : "461ebf861925938ed527b5ed4c638f5378a05921e4a16269594721bfc95a9a21",
            "times" : 1
          },
          "hooks" : [
            {
              "at" : "2026-11-01T00:00:00Z",
              "failures" : 0,
              "identity" : "/etc/letsencrypt/renewal-hooks/post/10-reload",
              "kind" : "post",
              "succeeded" : true
            }
          ],
          "installed" : {
            "at" : "2026-11-01T00:00:00Z",
            "notBefore" : "2026-11-27T19:55:27Z",
            "number" : 1,
            "serial" : "7c465fcbd3d358ce68829c8f47bcdd126b7be34f",
            "sha256" : "ebc513961a00f9c984c8d51dc994b86010adf621745043c380bec9789bbf657d"
          },
          "isAdopted" : false,
          "isIssued" : false,
          "isTold" : true,
          "lastError" : "127.0.0.1:443 fails the handshake",
          "lastErrorIsTemporary" : false,
          "name" : "a.example",
          "nextAttempt" : "2026-11-02T00:00:00Z",
          "schema" : 1,
          "served" : [
            {
              "endpoint" : "127.0.0.1:443",
              "name" : "a.example"
            }
          ],
          "verifiedAt" : "2026-11-01T00:00:00Z"
        }
        """

    static let all = [
        adopted, verified, failing, ordered, orderedAndFailed, issued, announced, onTrial, installedWithFailedHook,
        deployed, deployedAndVerified, goingBack, held,
    ]
}
