"""The address /train on a server that nobody has visited yet.

Until app.py has run once, Streamlit takes the files of this folder for the app's pages, and says
that there is no such page where it finds none of that name. From then on app.py's own hold.
"""

from app import main

main()
