from canvas_replicate.cli import main

main()
