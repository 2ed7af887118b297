from canvas_replicate.cli.launch import main

main()
