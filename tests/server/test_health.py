class TestHealth:
    async def test_it_needs_no_credential(self, client):
        response = await client.get("/health")

        assert response.status_code == 200
        assert response.json()["status"] == "ok"


class TestReady:
    async def test_it_refuses_while_no_worker_runs(self, client):
        response = await client.get("/ready")

        assert response.status_code == 503
        assert response.json()["code"] == "not_ready"
        assert int(response.headers["Retry-After"]) <= 5
