"""The template that imports the application and forks, and the child: its life, its work, its broken predecessor."""
