# For any container host: serves the app on port 8501.
#   docker build --build-arg TORCH_INDEX=<address of an index with CPU builds of torch> -t snn .
#   docker run -p 8501:8501 snn
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 user
WORKDIR /app

# torch in a step of its own: without TORCH_INDEX the default build brings gigabytes of CUDA along.
ARG TORCH_INDEX
COPY requirements.txt .
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
        "$(grep '^torch==' requirements.txt)" \
    && pip install --no-cache-dir -r requirements.txt

COPY --chown=user . .
USER user
EXPOSE 8501
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health')"
CMD ["streamlit", "run", "app.py", "--server.port=8501", "--server.address=0.0.0.0", \
     "--server.headless=true", "--browser.gatherUsageStats=false"]
