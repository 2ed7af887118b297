from canvas_replicate.cli.app import main

main()
